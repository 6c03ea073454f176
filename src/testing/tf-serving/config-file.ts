// --model_config_file: read at start, and with --model_config_file_poll_wait_seconds again and again, undoing what came by RPC (reference §2 "Not persisted").

import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { fromText } from '@bufbuild/protobuf/txtpb';
import { ModelServerConfigSchema, type ModelServerConfig } from '../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import { ServingError } from './status';

export function readConfigFile(file: string): ModelServerConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new ServingError('NOT_FOUND', `${file}; No such file or directory`);
  }
  try {
    return fromText(ModelServerConfigSchema, text);
  } catch {
    throw new ServingError('INVALID_ARGUMENT', `Invalid protobuf file: '${file}'`);
  }
}

/** What --model_name and --model_base_path stand for. */
export function singleModelConfig(name: string, basePath: string): ModelServerConfig {
  return create(ModelServerConfigSchema, {
    config: { case: 'modelConfigList', value: { config: [{ name, basePath, modelPlatform: 'tensorflow' }] } },
  });
}
