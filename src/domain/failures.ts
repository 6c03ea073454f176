// One table of everything that can go wrong: what we do about it, what it means, what a person does next (DESIGN §9).

/** reject: refuse the wish, nothing was touched. retry: again, within the step's deadline. hold: stop and wait for a person (or roll back, by policy). rollback: go back. */
export type Disposition = 'reject' | 'retry' | 'hold' | 'rollback' | 'superseded';

export interface FailureRow {
  readonly disposition: Disposition;
  readonly meaning: string;
  /** The next command to run, in words of the segue or temporal CLI; UPPER CASE words are to be filled in. */
  readonly next: string;
}

export const FAILURES = {
  InvalidInput: { disposition: 'reject', meaning: 'the request is not one we can act on; nothing was touched', next: 'segue rollout start --help' },
  EndpointNotAllowed: { disposition: 'reject', meaning: 'the agents do not accept this endpoint; nothing was touched', next: 'segue agent --help' },
  KnownBadVersion: { disposition: 'reject', meaning: 'this content was rolled back before', next: 'segue rollout start --help' },
  SourceUnreachable: { disposition: 'retry', meaning: 'the bucket did not answer in time', next: 'segue rollout start --fleet FLEET --model MODEL --version VERSION --source SOURCE' },
  ServerUnreachable: { disposition: 'retry', meaning: 'the model server did not answer in time', next: 'segue doctor SERVER' },
  StoreBusy: { disposition: 'retry', meaning: 'another process or effect holds this model or root on this host', next: 'segue doctor SERVER --root DIR' },
  SourceMissing: { disposition: 'hold', meaning: 'there is nothing under this URI', next: 'segue rollout start --fleet FLEET --model MODEL --version VERSION --source SOURCE' },
  SourceChanged: { disposition: 'hold', meaning: 'an object changed while it was being read', next: 'segue rollout start --fleet FLEET --model MODEL --version VERSION --source SOURCE' },
  IntegrityMismatch: { disposition: 'hold', meaning: 'a file does not match its manifest, checksum or length', next: 'segue verify SOURCE' },
  SignatureRejected: { disposition: 'hold', meaning: 'the version is not signed by a key this host trusts for the model', next: 'segue verify SOURCE --trusted-key FILE' },
  InvalidSavedModel: { disposition: 'hold', meaning: 'the files are whole, but they are not a SavedModel the server can serve', next: 'segue verify SOURCE' },
  InsufficientDisk: { disposition: 'hold', meaning: 'the disk cannot hold this version beside what must stay', next: 'segue doctor SERVER --root DIR' },
  DiskFailed: { disposition: 'hold', meaning: 'the disk under the root refused to read or write', next: 'segue doctor SERVER --root DIR' },
  InsufficientMemory: { disposition: 'hold', meaning: 'the host cannot hold both versions in memory', next: 'segue rollout status ID' },
  VersionReused: { disposition: 'hold', meaning: 'this version number was served before with other content', next: 'segue rollout start --help' },
  ReloadRejected: { disposition: 'hold', meaning: 'the model server refused its new model list', next: 'segue doctor SERVER --root DIR' },
  ServerWedged: { disposition: 'hold', meaning: 'the model server accepted a list and then stopped making progress', next: 'segue doctor SERVER' },
  DrainTimeout: { disposition: 'hold', meaning: 'the old version is still held by requests in flight', next: 'segue doctor SERVER' },
  Bug: { disposition: 'hold', meaning: 'something happened that this engine has no name for', next: 'segue doctor SERVER --root DIR' },
  LoadFailed: { disposition: 'rollback', meaning: 'the model server could not load the version', next: 'segue doctor SERVER' },
  ProgressDeadlineExceeded: { disposition: 'rollback', meaning: 'the version was not AVAILABLE in time', next: 'segue doctor SERVER --root DIR' },
  ProbeMismatch: { disposition: 'rollback', meaning: 'the version answered a probe wrongly', next: 'segue rollout status ID' },
  GateFailed: { disposition: 'rollback', meaning: 'a gate after the wave did not pass', next: 'segue rollout status ID' },
  StaleAttempt: { disposition: 'superseded', meaning: 'a newer attempt holds this model or root on this host', next: 'segue doctor SERVER --root DIR' },
} as const satisfies Record<string, FailureRow>;

export type FailureCode = keyof typeof FAILURES;

/** A failure as a fact: which row, and what was tried, on what, wanted, found. Survives JSON. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** What our own code throws when it can name the row. Everything else is a Bug. */
export class SegueError extends Error {
  override readonly name = 'SegueError';
  readonly code: FailureCode;
  readonly detail: Readonly<Record<string, unknown>>;
  constructor(code: FailureCode, message: string, detail: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.detail = detail;
  }
}

/** `throw fail('IntegrityMismatch', 'ranker/43 variables/variables.index: want …, found …', { file, want, found })`. */
export function fail(code: FailureCode, message: string, detail?: Readonly<Record<string, unknown>>, cause?: unknown): SegueError {
  return new SegueError(code, message, detail, cause);
}

export function isFailureCode(text: string): text is FailureCode {
  return Object.hasOwn(FAILURES, text);
}

export function dispositionOf(code: FailureCode): Disposition {
  return FAILURES[code].disposition;
}

/** What a fetch says of the listing it went by. Where that was one host's own, another may be chosen for all, and this says nothing yet. */
export function isOfTheListing(code: FailureCode): boolean {
  return code === 'SourceMissing' || code === 'SourceChanged' || code === 'IntegrityMismatch';
}

/** For branches that cannot be taken: a broken assertion stops the task and loses nothing. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
