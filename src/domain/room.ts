// How much of a disk a version wants: bytes in whole blocks, inodes, and headroom for what is written beside it.

/** Room for the file system's own bookkeeping beside the bytes: it works badly when nearly full. */
export const SPACE_FACTOR = 1.2;
/** Journal, boot file and the record of the download are each written beside the old one. */
const HEADROOM_BYTES = 1024 * 1024;
/** The same files' inodes, the staging and the trash directory, and the next version's few. */
const HEADROOM_INODES = 16;

/** What is still to be written: `path` relative to the version, with `/`; `size` in bytes. */
export interface Coming {
  readonly path: string;
  readonly size: number;
}

export interface Room {
  readonly bytes: number;
  readonly inodes: number;
}

/** Files take whole blocks, and every file and directory an inode. */
export function roomFor(coming: readonly Coming[], blockBytes: number): Room {
  const directories = new Set(coming.flatMap(({ path }) => directoriesOf(path)));
  const blocks = coming.reduce((sum, { size }) => sum + Math.ceil(size / blockBytes), 0) + directories.size + 1;
  return { bytes: Math.ceil(blocks * blockBytes * SPACE_FACTOR) + HEADROOM_BYTES, inodes: coming.length + directories.size + 1 + HEADROOM_INODES };
}

/** `a/b/c` lies in `a` and `a/b`. */
export function directoriesOf(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join('/'));
}
