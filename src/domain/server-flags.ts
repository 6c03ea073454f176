// The flags a model server must have been started with so that it can be driven (DESIGN §6), read from its command line.

/** What counts of `tensorflow_model_server`'s command line, with the binary's defaults filled in. */
export interface ServerFlags {
  readonly modelConfigFile: string | undefined;
  readonly loadThreads: number;
  readonly unloadThreads: number;
  readonly loadRetries: number;
  readonly pollSeconds: number;
  readonly configPollSeconds: number;
}

export interface FlagFinding {
  readonly flag: string;
  readonly found: string;
  readonly want: string;
  /** What goes wrong with what was found. */
  readonly why: string;
  /** unmanageable: an agent must not touch such a server. */
  readonly severity: 'unmanageable' | 'unsafe';
}

const KNOWN = ['port', 'grpc_socket_path', 'rest_api_port', 'model_config_file', 'model_base_path'] as const;

/** The flags, or nothing where the arguments are not a model server's. `--flag=value` and `--flag value`; the last of several wins. */
export function parseServerFlags(argv: readonly string[]): ServerFlags | undefined {
  const values = valuesOf(argv);
  if (!KNOWN.some((name) => values.has(name))) return undefined;
  const number = (name: string, fallback: number): number => Number(values.get(name) ?? fallback);
  return {
    modelConfigFile: values.get('model_config_file') || undefined,
    loadThreads: number('num_load_threads', 0), unloadThreads: number('num_unload_threads', 0), loadRetries: number('max_num_load_retries', 5),
    pollSeconds: number('file_system_poll_wait_seconds', 1), configPollSeconds: number('model_config_file_poll_wait_seconds', 0),
  };
}

/** The address a server with these arguments listens on for gRPC: its port and socket. */
export function listensOn(argv: readonly string[]): { readonly port: number; readonly socket: string | undefined } {
  const values = valuesOf(argv);
  return { port: Number(values.get('port') ?? 8500), socket: values.get('grpc_socket_path') || undefined };
}

/** What is not as it must be. @param bootFile what the agent writes; absent where it is not known. */
export function flagFindings(flags: ServerFlags, bootFile?: string): readonly FlagFinding[] {
  const findings: (FlagFinding | undefined)[] = [
    flags.configPollSeconds > 0 ? finding('unmanageable', 'model_config_file_poll_wait_seconds', flags.configPollSeconds, '0', 'the server takes its list from the file again and again, and undoes every list it is given') : undefined,
    flags.pollSeconds <= 0 ? finding('unmanageable', 'file_system_poll_wait_seconds', flags.pollSeconds, '1', 'the server never looks for versions, so a list that names a new model blocks it for ever') : undefined,
    flags.modelConfigFile === undefined ? finding('unsafe', 'model_config_file', 'none', bootFile ?? 'ROOT/boot.config', 'a restart does not bring back what was promoted') : undefined,
    flags.modelConfigFile !== undefined && bootFile !== undefined && flags.modelConfigFile !== bootFile ? finding('unsafe', 'model_config_file', flags.modelConfigFile, bootFile, 'a restart brings back what that file says, not what was promoted') : undefined,
    flags.loadThreads < 2 ? finding(flags.loadThreads === 0 ? 'unmanageable' : 'unsafe', 'num_load_threads', flags.loadThreads, '2', flags.loadThreads === 0 ? 'a load freezes the server and cannot be aborted' : 'a new name waits behind a load') : undefined,
    flags.unloadThreads < 2 ? finding('unsafe', 'num_unload_threads', flags.unloadThreads, '2', 'an unload freezes the manager') : undefined,
    flags.loadRetries > 0 ? finding('unsafe', 'max_num_load_retries', flags.loadRetries, '0', 'a load that fails is LOADING for minutes more, and a new name cannot be registered by its sentinel') : undefined,
    flags.pollSeconds > 1 ? finding('unsafe', 'file_system_poll_wait_seconds', flags.pollSeconds, '1', 'every list is noticed only after so many seconds') : undefined,
  ];
  return findings.filter((one) => one !== undefined);
}

function finding(severity: FlagFinding['severity'], flag: string, found: number | string, want: string, why: string): FlagFinding {
  return { severity, flag: `--${flag}`, found: String(found), want, why };
}

function valuesOf(argv: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [index, argument] of argv.entries()) {
    const match = /^--([a-z_]+)(?:=(.*))?$/s.exec(argument);
    if (match === null) continue;
    const next = argv[index + 1];
    values.set(match[1] ?? '', match[2] ?? (next === undefined || next.startsWith('--') ? 'true' : next));
  }
  return values;
}
