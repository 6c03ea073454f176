// assets.extra/tf_serving_warmup_requests: replayed inside the load, so that whatever fails there fails the load (TF Serving reference §9).

import { fromBinary } from '@bufbuild/protobuf';
import { join } from 'node:path';
import { PredictRequestSchema } from '../../proto/gen/tensorflow_serving/apis/predict_pb';
import type { PredictRequest } from '../../proto/gen/tensorflow_serving/apis/predict_pb';
import { crc32c, unmaskCrc } from '../../savedmodel/crc32c';
import { readRegular } from '../../savedmodel/regular-file';
import { WARMUP_PATH } from '../../savedmodel/warmup';
import { WireError, lastField } from '../../savedmodel/wire';
import { ServingError } from './status';

const MAX_RECORDS = 1000;
/** A simulator holds the file in memory. */
const MAX_BYTES = 256 * 2 ** 20;

/** Calls `predict` for each predict record, in order. Classify, regress and multi-inference records are passed over: nothing here answers them. */
export async function replayWarmup(dir: string, predict: (request: PredictRequest) => void): Promise<void> {
  const file = await readRegular(dir, WARMUP_PATH, MAX_BYTES);
  if (file === undefined) return;
  const path = join(dir, WARMUP_PATH);
  let records = 0;
  for (const record of framesOf(Buffer.from(file.buffer, file.byteOffset, file.byteLength))) {
    const request = requestOf(record, path);
    if (request !== undefined) predict(request);
    if (++records > MAX_RECORDS) throw new ServingError('INVALID_ARGUMENT', `Number of warmup records exceeds the maximum (${MAX_RECORDS}) at ${path}`);
  }
}

function* framesOf(file: Buffer): Generator<Buffer> {
  let at = 0;
  while (at < file.length) {
    if (at + 12 > file.length) throw notRecords(`truncated record at ${at}`);
    if (unmaskCrc(file.readUInt32LE(at + 8)) !== crc32c(file.subarray(at, at + 8))) throw notRecords(`corrupted record at ${at}`);
    const start = at + 12;
    const end = start + Number(file.readBigUInt64LE(at));
    if (end + 4 > file.length) throw notRecords(`truncated record at ${start}' failed with Read less bytes than requested`);
    if (unmaskCrc(file.readUInt32LE(end)) !== crc32c(file.subarray(start, end))) throw notRecords(`corrupted record at ${start}`);
    yield file.subarray(start, end);
    at = end + 4;
  }
}

// PredictionLog: predict_log 6 {request 1}, session_run_log 5 (apis/prediction_log.proto).
const PREDICT_LOG = 6;
const SESSION_RUN_LOG = 5;

function requestOf(record: Uint8Array, path: string): PredictRequest | undefined {
  try {
    if (lastField(record, SESSION_RUN_LOG) !== undefined) throw new ServingError('UNIMPLEMENTED', `Unsupported log_type for warmup: ${SESSION_RUN_LOG}`);
    const log = lastField(record, PREDICT_LOG);
    return log === undefined ? undefined : fromBinary(PredictRequestSchema, lastField(log, 1) ?? new Uint8Array(0));
  } catch (error) {
    if (error instanceof ServingError) throw error;
    if (!(error instanceof WireError) && !(error instanceof RangeError) && (error as Error).constructor !== Error) throw error;
    throw new ServingError('INVALID_ARGUMENT', `Failed to parse warmup record: ${Buffer.from(record).toString('latin1')} from ${path}`);
  }
}

function notRecords(what: string): ServingError {
  return new ServingError('DATA_LOSS', `${what}. Please verify your warmup data is in TFRecord format.`);
}
