// The little the file-system source asks of a file system; the real one here, one in memory in the replayer.

import { existsSync, readdirSync } from 'node:fs';
import { ServingError } from './status';

export interface FileSystemView {
  exists(path: string): boolean;
  /** Names of all entries, files too, in any order. Throws ServingError when there is no listing. */
  children(path: string): string[];
}

export const realFileSystem: FileSystemView = {
  exists: (path) => existsSync(localPath(path)),
  children(path) {
    try {
      return readdirSync(localPath(path));
    } catch (error) {
      const notDirectory = (error as NodeJS.ErrnoException).code === 'ENOTDIR';
      throw new ServingError(notDirectory ? 'FAILED_PRECONDITION' : 'NOT_FOUND', `${path}; ${notDirectory ? 'Not a directory' : 'No such file or directory'}`);
    }
  },
};

/** TensorFlow takes file:// for the local file system; any other scheme is unknown to a stock build, so nothing exists there (reference §4). */
export function localPath(path: string): string {
  return path.startsWith('file://') ? path.slice('file://'.length) : path;
}

/** `io::JoinPath`. */
export function joinPath(base: string, child: string): string {
  return base.endsWith('/') ? `${base}${child}` : `${base}/${child}`;
}
