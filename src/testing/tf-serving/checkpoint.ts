// The variables of a version as its checkpoint files hold them, with TensorFlow's own errors where they do not (TF Serving reference §9).

import { join } from 'node:path';
import { INDEX_PATH, MAX_INDEX_BYTES, bundleKey, readBundleIndex } from '../../savedmodel/bundle';
import type { BundleEntry, BundleIndex } from '../../savedmodel/bundle';
import { findingOf } from '../../savedmodel/finding';
import { readRegular } from '../../savedmodel/regular-file';
import { readTensorBytes } from '../../savedmodel/tensor-bytes';
import type { RestoreTensor } from './evaluate';
import { ServingError } from './status';
import { tensorFromBytes } from './tensor';
import type { Tensor } from './tensor';

export interface Checkpoint {
  /** What RestoreV2 wants: `<dir>/variables/variables`. */
  readonly prefix: string;
  readonly bytes: number;
  readonly restore: RestoreTensor;
}

/** Everything is read now; what is wrong is thrown when the graph asks for it, as TensorFlow reads on demand. Undefined where there is no index: no error to the loader. */
export async function readCheckpoint(dir: string): Promise<Checkpoint | undefined> {
  const prefix = join(dir, 'variables', 'variables');
  const file = await readRegular(dir, INDEX_PATH, MAX_INDEX_BYTES);
  if (file === undefined) return undefined;
  const index = parseIndex(file, dir);
  if (index instanceof ServingError) {
    return { prefix, bytes: file.length, restore: () => { throw index; } };
  }
  const tensors = new Map<string, Tensor | ServingError>();
  let bytes = file.length;
  for (const [key, entry] of index.entries) {
    tensors.set(key, await readTensor(dir, prefix, index, entry));
    bytes += entry.size;
  }
  return {
    prefix, bytes,
    restore: (from, name) => {
      if (from !== prefix) throw new ServingError('NOT_FOUND', `Unsuccessful TensorSliceReader constructor: Failed to find any matching files for ${from}`);
      const tensor = tensors.get(bundleKey(name));
      if (tensor === undefined) throw new ServingError('NOT_FOUND', `Key ${Buffer.from(name).toString()} not found in checkpoint`);
      if (tensor instanceof ServingError) throw tensor;
      return tensor;
    },
  };
}

function parseIndex(file: Uint8Array, dir: string): BundleIndex | ServingError {
  try {
    return readBundleIndex(file);
  } catch (error) {
    const finding = findingOf(error);
    if (finding === undefined) throw error;
    return new ServingError('DATA_LOSS', `Unable to read file (${join(dir, INDEX_PATH)}). Perhaps the file is corrupt or was produced by a newer version of TensorFlow with format changes (${finding.message})`);
  }
}

async function readTensor(dir: string, prefix: string, index: BundleIndex, entry: BundleEntry): Promise<Tensor | ServingError> {
  if (entry.sliced) return new ServingError('UNIMPLEMENTED', `${entry.name} is partitioned, which is not simulated`);
  const read = await readTensorBytes(dir, index, entry);
  switch (read.kind) {
    case 'bytes': return tensorFromBytes(entry.dtype, entry.shape, read.bytes);
    case 'strings': return { dtype: entry.dtype, shape: entry.shape, values: read.strings };
    case 'missing': return new ServingError('NOT_FOUND', `${join(dir, read.path)}; No such file or directory`);
    case 'short': return new ServingError('OUT_OF_RANGE', 'Read less bytes than requested');
    case 'layout': return new ServingError('DATA_LOSS', read.why);
    case 'checksum':
      return new ServingError('DATA_LOSS', `TensorBundle at ${prefix} shard ${entry.shard} (${entry.size} bytes): Checksum does not match: stored ${String(read.want).padStart(8, '0')} vs. calculated on the restored bytes ${read.found}`);
  }
}
