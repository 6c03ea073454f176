// Tests of what not every machine can do: at a desk that cannot they are skipped, and their name says why; in CI they run, and fail loudly where something is missing.

interface Skippable<T> {
  readonly skip: T;
}

/** `describe` or `test`, or what skips it. @param why nothing where this machine can */
export function wherePossible<T extends Skippable<T>>(declare: T, why: string | undefined): T {
  return why === undefined || process.env['CI'] !== undefined ? declare : declare.skip;
}

export function reasonInName(why: string | undefined): string {
  return why === undefined ? '' : ` (${why})`;
}
