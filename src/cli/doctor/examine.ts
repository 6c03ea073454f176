// Everything the doctor looks at, in the order it is reported.

import { checkDisk } from './disk-checks';
import type { Finding } from './finding';
import type { DoctorFlags } from './flags';
import { checkServer } from './server-checks';
import { checkTemporal } from './temporal-checks';

export async function examine(address: string, flags: DoctorFlags): Promise<readonly Finding[]> {
  const disk = flags.root === undefined ? { findings: [], models: new Map() } : await checkDisk(flags.root);
  const [server, temporal] = await Promise.all([
    checkServer({ address, root: flags.root, models: disk.models, names: flags.model ?? [], pollSeconds: flags.pollSeconds }),
    flags.temporal ? checkTemporal(flags, flags) : [],
  ]);
  return [...server, ...disk.findings, ...temporal];
}
