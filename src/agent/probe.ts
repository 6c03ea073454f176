// The probe: AVAILABLE says that a version is loaded, not that it works (TF Serving reference §11.19).

import { fail, type SegueError } from '../domain/failures';
import type { Probed } from '../domain/host';
import type { ModelName, Version } from '../domain/names';
import type { Probe, TensorValue } from '../domain/request';
import { RpcFailure } from '../serving/rpc';
import type { Live } from './live';
import type { Parts } from './parts';

const DEFAULT_SIGNATURE = 'serving_default';

/** Asks exactly this version: its signatures always, a Predict where the request brings one. Fails as ProbeMismatch, or ServerUnreachable where nothing answered. */
export async function probeVersion(parts: Pick<Parts, 'client' | 'server'>, model: ModelName, version: Version, probe: Probe | undefined, live: Live): Promise<Probed> {
  const what = `probe ${model}/${version} on ${parts.server}`;
  live.report({ step: 'awaitAvailable', waiting: 'the probe' });
  const signatures = await asked(what, 'metadata', () => parts.client.metadata(model, version, { signal: live.signal }));
  if (probe === undefined) return 'metadata';
  const name = probe.signature ?? DEFAULT_SIGNATURE;
  const def = signatures[name];
  if (def === undefined) throw mismatch(what, `signature ${name}`, Object.keys(signatures).sort().join(', ') || 'none');
  const answer = await asked(what, 'predict', () => parts.client.predict(model, version, { name, def }, probe.inputs, { signal: live.signal }));
  if (answer.version !== version) throw mismatch(what, `an answer by version ${version}`, `one by ${answer.version || 'nobody'}`);
  for (const [output, wanted] of Object.entries(probe.expect ?? {})) {
    const found = answer.outputs[output];
    const difference = found === undefined ? `no output ${output}` : firstDifference(wanted, found, probe.tolerance, output);
    if (difference !== undefined) throw mismatch(what, `${output} = ${JSON.stringify(wanted)} within ${probe.tolerance}`, difference);
  }
  return 'predict';
}

/** Where and how two values differ by more than the tolerance, or in shape. */
export function firstDifference(wanted: TensorValue, found: TensorValue, tolerance: number, at: string): string | undefined {
  if (typeof wanted === 'number') {
    if (typeof found !== 'number') return `${at} has ${found.length} values where one number was wanted`;
    return Math.abs(wanted - found) <= tolerance ? undefined : `${at} = ${found}`; // NaN is never near anything.
  }
  if (typeof found === 'number') return `${at} is one number where ${wanted.length} values were wanted`;
  if (wanted.length !== found.length) return `${at} has ${found.length} values`;
  for (const [index, one] of wanted.entries()) {
    const difference = firstDifference(one, found[index] ?? Number.NaN, tolerance, `${at}[${index}]`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

async function asked<T>(what: string, verb: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof RpcFailure && error.code === 'UNAVAILABLE') throw fail('ServerUnreachable', `${what}: ${error.message}`, { found: error.code }, error);
    if (error instanceof RpcFailure) throw mismatch(what, `an answer to ${verb}`, `${error.code}: ${error.details}`);
    if (error instanceof RangeError) throw mismatch(what, 'numbers that fit the signature', error.message);
    throw error;
  }
}

function mismatch(what: string, want: string, found: string): SegueError {
  return fail('ProbeMismatch', `${what}: want ${want}, found ${found}`, { want, found });
}
