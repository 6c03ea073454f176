// What a worker process says: one line a fact, on stderr, as text for a person or JSON for a collector. Never a secret.

import type { LogLevel, LogMetadata } from '@temporalio/common';
import { DefaultLogger, Runtime } from '@temporalio/worker';

export interface LogOptions {
  readonly format: 'text' | 'json';
  readonly level: LogLevel;
  /** `HOST:PORT` of a Prometheus endpoint with the SDK's metrics; absent: none. */
  readonly metricsAddress?: string;
}

/** Must come before any worker or native connection exists; once a process. Signals are ours: an agent has more to end than its worker. */
export function installRuntime(options: LogOptions): void {
  Runtime.install({
    logger: new DefaultLogger(options.level, (entry) => {
      if (entry.message.startsWith(TRUE_BY_DESIGN)) return;
      process.stderr.write(`${formatEntry(options.format, Number(entry.timestampNanos / 1_000_000n), entry.level, entry.message, entry.meta)}\n`);
    }),
    shutdownSignals: [],
    telemetryOptions: {
      logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } },
      ...(options.metricsAddress === undefined ? {} : { metrics: { prometheus: { bindAddress: options.metricsAddress } } }),
    },
  });
}

/** The SDK warns of every worker without workflows; an agent has none. */
const TRUE_BY_DESIGN = 'No workflows registered';

export function formatEntry(format: 'text' | 'json', epochMs: number, level: LogLevel, message: string, meta: LogMetadata | undefined): string {
  const time = new Date(epochMs).toISOString();
  const facts = withoutSecrets(meta ?? {});
  if (format === 'json') return JSON.stringify({ time, level, message, ...facts });
  const tail = Object.entries(facts).map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${time} ${level} ${message.replaceAll('\n', ' | ')}${tail.join('').replaceAll('\n', ' | ')}`;
}

const SECRET_KEY = /secret|password|authorization|api_?key|credential|session_?token/i;
/** A presigned URL, or a header that carries a bearer. */
const SECRET_TEXT = /(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s"]+|(Bearer )\S+/gi;

function withoutSecrets(meta: object): Record<string, unknown> {
  const entries = Object.entries(meta).map(([key, value]) => [key, SECRET_KEY.test(key) ? '[secret]' : plain(value)] as const);
  return Object.fromEntries(entries);
}

/** Fit for JSON, however deep. */
function plain(value: unknown): unknown {
  if (value instanceof Error) return redact(value.stack ?? value.message);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === 'object' && value !== null ? withoutSecrets(value) : value;
}

function redact(text: string): string {
  return text.replaceAll(SECRET_TEXT, '$1$2[secret]');
}
