// A real ext4 on a file, and copies of it as a power cut would leave them. As root, on Linux, where there are loop devices.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installPackages } from './apt';
import { may } from './capabilities';

const run = promisify(execFile);

/** Why there can be none here; nothing where it can be tried. */
export function reasonNoLoopFileSystem(): string | undefined {
  if (process.platform !== 'linux') return `${process.platform} has no ext4`;
  if (!may('mount')) return 'mounting needs root, or CAP_SYS_ADMIN';
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices (/dev/loop-control)';
  return undefined;
}

export interface LoopFileSystem {
  readonly mounted: string;
  /** Memory, beside the image: for what must not disturb it. */
  readonly beside: string;
  /** The image as it is now, copied; or that the device moved meanwhile, and the copy would be no instant. */
  cut(): Promise<'it moved' | { readonly mounted: string; discard(): Promise<void> }>;
  remove(): Promise<void>;
}

/** Room for some versions of a small model, its trash and the journal; every sample copies all of it. */
const IMAGE_BYTES = 20 * 1024 * 1024;

/** The image lies in memory: what is tested is the order of writes, and a real disk would only make it slow. */
export async function makeLoopFileSystem(): Promise<LoopFileSystem> {
  const why = reasonNoLoopFileSystem();
  if (why !== undefined) throw new Error(`power cuts need ext4 on a loop device as root: ${why}`);
  if (!await isProgram('mkfs.ext4')) await installPackages(['e2fsprogs', 'mount']);
  const directory = await mkdtemp(join(tmpdir(), 'segue-power-'));
  const undo: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })];
  const remove = async (): Promise<void> => { for (const step of undo.splice(0).reverse()) await step(); };
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${4 * IMAGE_BYTES}`, 'tmpfs', directory]);
    undo.push(() => run('umount', ['-l', directory]));
    const [image, mounted, copy, second] = ['image', 'mounted', 'copy', 'second'].map((name) => join(directory, name)) as [string, string, string, string];
    await mkdir(mounted);
    await mkdir(second);
    await writeFile(image, '');
    await truncate(image, IMAGE_BYTES);
    await run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
    // As hostile as ext4 can be: it commits by itself only every five minutes, and does not guess that a rename wants the data before it.
    await run('mount', ['-o', 'loop,noatime,commit=300,noauto_da_alloc', image, mounted]);
    undo.push(() => run('umount', [mounted]));
    const device = (await run('findmnt', ['-n', '-o', 'SOURCE', mounted])).stdout.trim().split('/').at(-1) ?? '';
    return {
      mounted, beside: directory, remove,
      cut: async () => {
        const before = counters(device);
        await copyFile(image, copy);
        if (before === undefined || counters(device) !== before) return 'it moved';
        await run('mount', ['-o', 'loop,noatime', copy, second]); // Replays the journal, as after a power cut.
        return { mounted: second, discard: async () => { await run('umount', [second]); await rm(copy); } };
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What the device has done so far; nothing while it is doing something. Times are left out: they move by themselves. (Documentation/admin-guide/iostats.rst) */
function counters(device: string): string | undefined {
  const fields = readFileSync(`/sys/block/${device}/stat`, 'utf8').trim().split(/\s+/);
  const inFlight = fields[8];
  return inFlight === '0' ? [0, 1, 2, 4, 5, 6, 11, 13, 15].map((index) => fields[index]).join(' ') : undefined;
}

async function isProgram(name: string): Promise<boolean> {
  return run('which', [name]).then(() => true, () => false);
}
