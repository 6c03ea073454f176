// Where a command writes: facts to stdout, everything else to stderr.

export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (line: string) => void;
  /** May stdout be rewritten in place? */
  readonly live: boolean;
  /** Columns of a line; more would wrap and break rewriting in place. */
  readonly columns: number;
  /** All of stdin, for `--input -`. */
  readonly readStdin: () => Promise<string>;
}

export function processTerminal(): Terminal {
  return {
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    live: process.stdout.isTTY === true && process.env['TERM'] !== 'dumb' && !process.env['CI'],
    columns: process.stdout.columns ?? 80,
    readStdin: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}
