// What ServerCore accepts of a config before and after it has remembered it (reference §2, steps 2, 3, 4 and 7).

import { equals } from '@bufbuild/protobuf';
import { ModelServerConfigSchema, ModelType, type ModelConfig, type ModelServerConfig } from '../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import { ServingError } from './status';

/** The only platform a stock binary has. */
const PLATFORM = 'tensorflow';

/** Empty for everything that is not a list. */
export function modelsOf(config: ModelServerConfig): readonly ModelConfig[] {
  return config.config.case === 'modelConfigList' ? config.config.value.config : [];
}

/** Step 2: from nothing to anything, from list to list, or to an equal config (2.20 and later). */
export function acceptsTransition(from: ModelServerConfig, to: ModelServerConfig): boolean {
  return from.config.case === undefined
    || (from.config.case === 'modelConfigList' && to.config.case === 'modelConfigList')
    || equals(ModelServerConfigSchema, from, to);
}

/** Step 3: names once each, then base paths absolute or with a scheme. */
export function checkList(models: readonly ModelConfig[]): void {
  const names = new Set<string>();
  for (const { name } of models) {
    if (names.has(name)) throw new ServingError('INVALID_ARGUMENT', `Illegal to list model ${name} multiple times in config list`);
    names.add(name);
  }
  for (const { name, basePath } of models) {
    if (!isRelative(basePath)) continue;
    throw new ServingError('INVALID_ARGUMENT', `Expected model ${name} to have an absolute path or URI; got base_path()=${basePath}`);
  }
}

/** Step 4: asks the platform of every *remembered* model first, so one bad entry there refuses every later list (s011, s012). */
export function checkNoPlatformChanges(remembered: readonly ModelConfig[], next: readonly ModelConfig[]): void {
  const platforms = new Map(remembered.map((model) => [model.name, platformOf(model)]));
  for (const model of next) {
    const old = platforms.get(model.name);
    if (old === undefined) continue;
    const platform = platformOf(model);
    if (platform === old) continue;
    throw new ServingError('INVALID_ARGUMENT',
      `Illegal to change a model's platform. For model ${model.name} platform was ${old} and new platform requested is ${platform}`);
  }
}

/** Step 7. */
export function checkPlatforms(models: readonly ModelConfig[]): void {
  for (const model of models) {
    const platform = platformOf(model);
    if (platform !== PLATFORM) throw new ServingError('INVALID_ARGUMENT', `Model ${model.name} requests unsupported platform ${platform}`);
  }
}

function platformOf(model: ModelConfig): string {
  const { name, modelType, modelPlatform } = model;
  const illegal = (what: string): ServingError => new ServingError('INVALID_ARGUMENT',
    `Illegal setting ${what} ModelServerConfig::model_type (deprecated) ${what === 'both' ? 'and' : 'nor'} ModelServerConfig::model_platform, model name is ${name}`);
  if (modelType !== ModelType.MODEL_TYPE_UNSPECIFIED) {
    if (modelPlatform !== '') throw illegal('both');
    if (modelType === ModelType.TENSORFLOW) return PLATFORM;
    throw new ServingError('INVALID_ARGUMENT', `ModelServerConfig::model_type choice ${modelType} not supported.`);
  }
  if (modelPlatform === '') throw illegal('neither');
  return modelPlatform;
}

/** `io::ParseURI`: no scheme and no leading slash. */
function isRelative(uri: string): boolean {
  return !/^[a-zA-Z][0-9a-zA-Z.]*:\/\//.test(uri) && !uri.startsWith('/');
}
