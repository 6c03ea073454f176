// What this process may do to the system beside its own files.

import { readFileSync } from 'node:fs';

/** Bits of Linux's capability sets (capabilities(7)). */
const BITS = { mount: 21, traceOthers: 19 } as const;

export function may(what: keyof typeof BITS): boolean {
  if (process.platform !== 'linux') return false;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(BITS[what])) & 1n) === 1n;
}
