// Statuses as TensorFlow Serving has them: a canonical code and a text (TF Serving reference §1).

/** Canonical codes by number; gRPC's and TensorFlow's are the same. */
export const CODE_NAMES = [
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
] as const;

export type CodeName = (typeof CODE_NAMES)[number];

export const CODE = Object.fromEntries(CODE_NAMES.map((name, code) => [name, code])) as Readonly<Record<CodeName, number>>;

/** A status that is not OK. What a server thread may end with; anything else thrown is a bug of the simulator. */
export class ServingError extends Error {
  override readonly name = 'ServingError';
  /** The canonical code's number. */
  readonly code: number;

  constructor(code: CodeName | number, message: string) {
    // An answer, not an accident: where it was made is no news, and looking it up costs more than all the rest of a refused request.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.code = typeof code === 'number' ? code : CODE[code];
  }

  /** "NOT_FOUND: text", as absl prints it. */
  override toString(): string {
    return `${CODE_NAMES[this.code] ?? String(this.code)}: ${this.message}`;
  }
}

/** OK is undefined: a health is the reason why not. */
export type Health = ServingError | undefined;

export function statusText(health: Health): string {
  return health === undefined ? 'OK' : health.toString();
}

/** Long messages are cut on the wire, not inside GetModelStatus (reference §1, grpc-wire). */
export function wireMessage(message: string): string {
  const MAX_BYTES = 1024;
  const bytes = Buffer.from(message);
  return bytes.length <= MAX_BYTES ? message : `${bytes.subarray(0, MAX_BYTES).toString()}...TRUNCATED`;
}
