// An error as one short text for a person. By shape, not by class: errors of other realms (Node's own, inside a test runner) are no instances of our Error.

/** The message, or the code where the message only repeats it. */
export function errorText(error: unknown): string {
  const { message } = shape(error);
  return message ?? String(error);
}

/** The first line: for errors that go on with a stack or an explanation of their own. */
export function errorLine(error: unknown): string {
  const text = errorText(error);
  return text.split('\n')[0] ?? text;
}

/** What is behind it: `fetch failed` says nothing, its cause does. */
export function rootCauseText(error: unknown): string {
  const { cause, errors } = shape(error);
  if (errors !== undefined && errors.length > 0) return errors.map(rootCauseText).join('; ');
  return cause === undefined || cause === null ? errorText(error) : rootCauseText(cause);
}

/** `ENOENT` and its like, where there is one. */
export function errorCode(error: unknown): string | number | undefined {
  return shape(error).code;
}

function shape(error: unknown): { message?: string; code?: string | number; cause?: unknown; errors?: readonly unknown[] } {
  return typeof error === 'object' && error !== null ? error : {};
}
