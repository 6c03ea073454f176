// The ports of `segue dev`: the usual ones, or a row of them from a base, in the order of this table.

import { isFree } from '../worker/free-port';
import { EXIT, Exit } from './exit';

export interface DevPorts {
  readonly temporal: number;
  readonly ui: number;
  readonly s3: number;
  readonly simulators: readonly number[];
}

const SIMULATORS = 3;
const USUAL: DevPorts = { temporal: 7233, ui: 8233, s3: 9000, simulators: [8500, 8501, 8502] };

/** `base`: Temporal, +1 its web page, +2 S3, +3 … +5 the model servers. */
export function devPorts(base?: number): DevPorts {
  if (base === undefined) return USUAL;
  return { temporal: base, ui: base + 1, s3: base + 2, simulators: Array.from({ length: SIMULATORS }, (_, index) => base + 3 + index) };
}

/** Throws one Exit naming every port that somebody else has. */
export async function requireFree(ports: DevPorts): Promise<void> {
  const wanted: readonly (readonly [string, number])[] = [
    ['Temporal', ports.temporal], ['Temporal UI', ports.ui], ['S3', ports.s3],
    ...ports.simulators.map((number) => ['model server', number] as const),
  ];
  const taken: string[] = [];
  for (const [what, number] of wanted) if (!(await isFree(number))) taken.push(`${number} (${what})`);
  if (taken.length === 0) return;
  throw new Exit(EXIT.usage, `error: in use: port ${taken.join(', ')}. Free it, or take others with --port-base: segue dev --port-base 17000 uses 17000 to 17005.`);
}
