// A file system that can be filled: a tmpfs with so many bytes and inodes. As root, on Linux.

import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { may } from './capabilities';

const run = promisify(execFile);

/** Why there can be none here; nothing where it can be tried. */
export function reasonNoSmallFileSystem(): string | undefined {
  if (process.platform !== 'linux') return `${process.platform} has no tmpfs`;
  return may('mount') ? undefined : 'mounting needs root, or CAP_SYS_ADMIN';
}

export interface SmallFileSystem {
  readonly path: string;
  /** Takes all bytes but so many. Again: takes or gives back until it is so. */
  leaveBytes(bytes: number): void;
  leaveInodes(inodes: number): void;
  /** Gives all of it back. */
  makeRoom(): void;
  remove(): Promise<void>;
}

export async function makeSmallFileSystem(limits: { readonly bytes: number; readonly inodes: number }): Promise<SmallFileSystem> {
  const path = mkdtempSync(join(tmpdir(), 'segue-small-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${limits.bytes},nr_inodes=${limits.inodes}`, 'tmpfs', path]);
  const ballast = join(path, 'ballast');
  const makeRoom = (): void => rmSync(ballast, { recursive: true, force: true });
  return {
    path, makeRoom,
    leaveBytes: (bytes) => {
      makeRoom();
      mkdirSync(ballast);
      const file = openSync(join(ballast, 'bytes'), 'w');
      const block = Buffer.alloc(4096);
      for (let left = statfsSync(path).bavail - Math.ceil(bytes / block.length); left > 0; left -= 1) writeSync(file, block);
      closeSync(file);
    },
    leaveInodes: (inodes) => {
      makeRoom();
      mkdirSync(ballast);
      for (let left = statfsSync(path).ffree - inodes; left > 0; left -= 1) writeFileSync(join(ballast, String(left)), '');
    },
    remove: async () => {
      await run('umount', ['-l', path]);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
