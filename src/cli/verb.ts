import type { Terminal } from './terminal';

/** What a verb is given: where to write, and how to say what the process shall end with. */
export interface Verb {
  readonly terminal: Terminal;
  readonly endWith: (code: number) => void;
}
