// What something fails with, as the row and the words an operator would see.

import { SegueError } from '../../src/domain/failures';

/** The failure; throws when it does not fail, or with something that is no row. */
export async function failureOf(act: () => unknown): Promise<SegueError> {
  try {
    await act();
  } catch (error) {
    if (error instanceof SegueError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

export async function codeOf(act: () => unknown): Promise<string> {
  return (await failureOf(act)).code;
}
