// The stock binary's command line: its flags, defaults and refusals (reference §9), and our own under --segue_.

import { DEFAULT_SETTINGS, type SimulatorSettings } from './settings';
import { CODE_NAMES, type CodeName } from './status';
import type { DelayRule, ErrorRule, Target } from './faults';

export interface ParsedFlags {
  readonly settings: Partial<SimulatorSettings>;
  readonly delays: readonly DelayRule[];
  readonly errors: readonly ErrorRule[];
  /** What the stock binary prints as "unknown argument" and ignores. */
  readonly unknown: readonly string[];
  /** Known to the binary, given here, and without effect on what a simulator does although it would matter. */
  readonly notSimulated: readonly string[];
  readonly version: boolean;
  readonly help: boolean;
}

/** A flag the binary knows with a value it cannot read: it prints usage and exits 255. */
export interface FlagError {
  readonly error: string;
}

type Values = Map<string, string[]>;

/** Takes `--flag=value`, `--flag value`, and for booleans `--flag` alone. The last of several wins. */
export function parseFlags(argv: readonly string[]): ParsedFlags | FlagError {
  const values: Values = new Map();
  const unknown: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? '';
    const match = /^--([a-z0-9_]+)(?:=(.*))?$/s.exec(argument);
    const kind = match === null ? undefined : KINDS.get(match[1] ?? '');
    if (match === null || kind === undefined) {
      unknown.push(argument);
      continue;
    }
    const [, name = '', inline] = match;
    let value = inline ?? (kind === 'bool' ? 'true' : undefined);
    if (value === undefined) {
      index += 1;
      value = argv[index];
      if (value === undefined) return { error: `flag --${name} wants a value` };
    }
    if (!READABLE[kind].test(value)) return { error: `Couldn't interpret value ${value} for flag ${name}.` };
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  const delays = [...(values.get('segue_load_ms') ?? []).map((text) => parseDelay('load', text)), ...(values.get('segue_predict_ms') ?? []).map((text) => parseDelay('predict', text))];
  const errors = (values.get('segue_fault') ?? []).map(parseFault);
  const bad = [...delays, ...errors].find((rule): rule is FlagError => 'error' in rule);
  if (bad !== undefined) return bad;
  return {
    settings: settingsFrom(values), delays: delays as DelayRule[], errors: errors as ErrorRule[], unknown,
    notSimulated: [...values.keys()].filter((name) => NOT_SIMULATED.has(name)),
    version: bool(values, 'version', false), help: bool(values, 'help', false),
  };
}

/** One line a flag. */
export function usage(): string {
  return ['Flags:', ...[...KINDS].map(([name, kind]) => `\t--${name.padEnd(52)}\t${kind}`)].join('\n');
}

type Kind = 'int' | 'bool' | 'string' | 'float';

const READABLE: Readonly<Record<Kind, RegExp>> = { int: /^-?[0-9]+$/, bool: /^(true|false|True|False|1|0)$/, string: /^/, float: /^-?[0-9.]+(e-?[0-9]+)?$/ };

/** Known to the binary; what is not read below has no meaning for a simulator and is accepted. */
const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...named('int', 'port rest_api_port rest_api_num_threads rest_api_timeout_in_ms model_config_file_poll_wait_seconds num_load_threads num_unload_threads max_num_load_retries load_retry_interval_micros file_system_poll_wait_seconds tensorflow_session_parallelism tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism grpc_max_threads num_request_iterations_for_warmup num_tflite_pools num_tflite_interpreters_per_pool'),
  ...named('bool', 'rest_api_enable_cors_support enable_batching allow_version_labels_for_unavailable_models enable_per_model_batching_parameters flush_filesystem_caches use_alts_credentials enable_model_warmup version remove_unused_fields_from_bundle_metagraph prefer_tflite_model enable_signature_method_name_check xla_cpu_compilation_enabled xla_gpu_compilation_enabled enable_profiler skip_initialize_tpu enable_grpc_healthcheck_service enable_serialization_as_tensor_content help'),
  ...named('string', 'grpc_socket_path batching_parameters_file model_config_file model_name model_base_path tensorflow_session_config_file ssl_config_file platform_config_file saved_model_tags grpc_channel_arguments monitoring_config_file thread_pool_factory_config_file mixed_precision'),
  ...named('float', 'per_process_gpu_memory_fraction'),
  ...named('int', 'segue_stats_port'),
  ...named('bool', 'segue_end_cancelled_loads'),
  ...named('string', 'segue_bind_address segue_load_ms segue_predict_ms segue_fault'),
]);

const NOT_SIMULATED: ReadonlySet<string> = new Set([
  'ssl_config_file', 'use_alts_credentials', 'platform_config_file', 'enable_batching', 'batching_parameters_file', 'monitoring_config_file',
  'prefer_tflite_model', 'enable_serialization_as_tensor_content', 'grpc_channel_arguments',
]);

function named(kind: Kind, names: string): [string, Kind][] {
  return names.split(' ').map((name) => [name, kind]);
}

function settingsFrom(values: Values): Partial<SimulatorSettings> {
  const defaults = DEFAULT_SETTINGS;
  const DEFAULT_PORT = 8500;
  const port = int(values, 'port', DEFAULT_PORT);
  const restPort = int(values, 'rest_api_port', 0);
  const socketPath = last(values, 'grpc_socket_path') ?? '';
  const modelConfigFile = last(values, 'model_config_file') ?? '';
  const statsPort = last(values, 'segue_stats_port');
  return {
    ...(port !== 0 && { port }), // 0 is no TCP, not "any port".
    ...(restPort !== 0 && { restPort }),
    ...(socketPath !== '' && { socketPath }),
    ...(modelConfigFile !== '' && { modelConfigFile }),
    ...(statsPort !== undefined && { statsPort: Number(statsPort) }),
    bindAddress: last(values, 'segue_bind_address') ?? defaults.bindAddress,
    modelConfigFilePollWaitSeconds: int(values, 'model_config_file_poll_wait_seconds', defaults.modelConfigFilePollWaitSeconds),
    modelName: last(values, 'model_name') ?? defaults.modelName,
    modelBasePath: last(values, 'model_base_path') ?? defaults.modelBasePath,
    numLoadThreads: int(values, 'num_load_threads', defaults.numLoadThreads),
    numUnloadThreads: int(values, 'num_unload_threads', defaults.numUnloadThreads),
    maxNumLoadRetries: int(values, 'max_num_load_retries', defaults.maxNumLoadRetries),
    loadRetryIntervalMicros: int(values, 'load_retry_interval_micros', defaults.loadRetryIntervalMicros),
    fileSystemPollWaitSeconds: int(values, 'file_system_poll_wait_seconds', defaults.fileSystemPollWaitSeconds),
    grpcMaxThreads: int(values, 'grpc_max_threads', defaults.grpcMaxThreads),
    allowVersionLabelsForUnavailableModels: bool(values, 'allow_version_labels_for_unavailable_models', defaults.allowVersionLabelsForUnavailableModels),
    enableModelWarmup: bool(values, 'enable_model_warmup', defaults.enableModelWarmup),
    enableGrpcHealthcheckService: bool(values, 'enable_grpc_healthcheck_service', defaults.enableGrpcHealthcheckService),
    savedModelTags: last(values, 'saved_model_tags') ?? defaults.savedModelTags,
    endCancelledLoads: bool(values, 'segue_end_cancelled_loads', defaults.endCancelledLoads),
  };
}

function last(values: Values, name: string): string | undefined {
  return values.get(name)?.at(-1);
}

function int(values: Values, name: string, fallback: number): number {
  return Number(last(values, name) ?? fallback);
}

function bool(values: Values, name: string, fallback: boolean): boolean {
  const value = last(values, name);
  return value === undefined ? fallback : /^(true|True|1)$/.test(value);
}

/** `MS`, `MODEL:MS` or `MODEL:VERSION:MS`; `*` is any. */
function parseDelay(what: DelayRule['what'], text: string): DelayRule | FlagError {
  const parts = text.split(':');
  const ms = parts.at(-1) ?? '';
  const target = parseTarget(parts.slice(0, -1));
  if (!/^[0-9]+$/.test(ms) || target === undefined) return { error: `--segue_${what}_ms wants [MODEL:[VERSION:]]MS; found ${text}` };
  return { what, ms: Number(ms), ...target };
}

/** `estimate|load|predict:MODEL:VERSION:CODE[:TIMES]`; `*` is any. */
function parseFault(text: string): ErrorRule | FlagError {
  const [what, model = '*', version = '*', code, times, ...rest] = text.split(':');
  const target = parseTarget([model, version]);
  const isWhat = what === 'estimate' || what === 'load' || what === 'predict';
  const name = CODE_NAMES.find((known) => known === code);
  if (!isWhat || target === undefined || name === undefined || name === 'OK' || rest.length > 0 || (times !== undefined && !/^[0-9]+$/.test(times))) {
    return { error: `--segue_fault wants estimate|load|predict:MODEL:VERSION:CODE[:TIMES], CODE such as NOT_FOUND; found ${text}` };
  }
  return { what, code: name satisfies CodeName, ...target, ...(times !== undefined && { times: Number(times) }) };
}

function parseTarget([model = '*', version = '*', ...rest]: readonly string[]): Target | undefined {
  if (rest.length > 0 || (version !== '*' && !/^-?[0-9]+$/.test(version))) return undefined;
  return { ...(model !== '*' && { model }), ...(version !== '*' && { version: BigInt(version) }) };
}
