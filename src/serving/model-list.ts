// A composed list as TensorFlow Serving reads it: a protobuf message on the wire, its text format in the boot file.

import { create } from '@bufbuild/protobuf';
import { fromText, toText } from '@bufbuild/protobuf/txtpb';
import type { ListedModel } from '../domain/list';
import { ModelConfigSchema, ModelServerConfigSchema, type ModelServerConfig } from '../proto/gen/tensorflow_serving/config/model_server_config_pb';

export function toModelServerConfig(list: readonly ListedModel[]): ModelServerConfig {
  return create(ModelServerConfigSchema, {
    config: {
      case: 'modelConfigList',
      value: {
        config: list.map((model) => create(ModelConfigSchema, {
          name: model.name,
          basePath: model.basePath,
          modelPlatform: model.platform,
          modelVersionPolicy: { policyChoice: { case: 'specific', value: { versions: model.versions.map(BigInt) } } },
          versionLabels: Object.fromEntries(Object.entries(model.labels).map(([label, version]) => [label, BigInt(version)])),
        })),
      },
    },
  });
}

/** The boot file. An empty list is `model_config_list: {}` (the colon is optional in this format), never an empty file: a server started from an empty file ends in a deadlock (TF Serving reference §2). */
export function toBootText(list: readonly ListedModel[]): string {
  return toText(ModelServerConfigSchema, toModelServerConfig(list));
}

/** Names in a boot file we find on the disk; nothing for text that is no list. */
export function namesInBootText(text: string): readonly string[] | undefined {
  return modelsInText(text)?.map(({ name }) => name);
}

/** Names and base paths in a list; nothing for text that is none. */
export function modelsInText(text: string): readonly { readonly name: string; readonly base: string }[] | undefined {
  try {
    const parsed = fromText(ModelServerConfigSchema, text);
    return parsed.config.case === 'modelConfigList' ? parsed.config.value.config.map((model) => ({ name: model.name, base: model.basePath })) : undefined;
  } catch {
    return undefined;
  }
}
