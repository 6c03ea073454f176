// A command run on a terminal that only remembers; `heard` fills while it runs.

import type { Terminal } from '../../src/cli/terminal';

export interface Captured {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function captured(command: (terminal: Terminal) => Promise<number>, options: { readonly live?: boolean; readonly stdin?: string; readonly heard?: string[] } = {}): Promise<Captured> {
  const out = options.heard ?? [];
  const err: string[] = [];
  const code = await command({
    out: (text) => void out.push(text), err: (line) => void err.push(line), live: options.live ?? false, columns: 100,
    readStdin: () => Promise.resolve(options.stdin ?? ''),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}
