// What a look at a SavedModel finds, and how a reader says that bytes are not what they should be.

import { SegueError, fail } from '../domain/failures';

/** Which rule was broken (TF Serving reference §10). */
export type Check =
  | 'layout' | 'decode' | 'tags' | 'signature' | 'graph' | 'ops' | 'variables' | 'index' | 'entry'
  | 'shardMissing' | 'shardShort' | 'checksum' | 'restore' | 'assets' | 'warmup' | 'limit';

export interface Finding {
  readonly check: Check;
  /** Relative to the SavedModel's directory. */
  readonly path: string;
  /** What was wanted and what was found. */
  readonly message: string;
}

/** `throw invalid('index', 'variables/variables.index', 'want magic …, found …')`: one finding as an InvalidSavedModel failure. */
export function invalid(check: Check, path: string, message: string): SegueError {
  const finding: Finding = { check, path, message };
  return fail('InvalidSavedModel', `${path}: ${message}`, { finding });
}

/** The finding in an error made by `invalid`; undefined for anything else, which is not ours to explain. */
export function findingOf(error: unknown): Finding | undefined {
  return error instanceof SegueError && error.code === 'InvalidSavedModel' ? (error.detail['finding'] as Finding) : undefined;
}
