// A `rollout` that ends as its request's reason tells it: what the command line makes of each end, without servers. The fleet is the real one.

import { ApplicationFailure, CancelledFailure, condition, defineQuery, defineSignal, defineUpdate, isCancellation, setHandler } from '@temporalio/workflow';
import type { Status } from '../../../src/domain/status';
import type { Outcome, Verdict } from '../../../src/domain/verdict';

export { fleet } from '../../../src/workflows/fleet';

export async function rollout(input: { readonly reason: string }): Promise<Verdict> {
  let aborted: { readonly reason: string } | undefined;
  let rolledBack: { readonly reason: string } | undefined;
  let pause: unknown;
  let updated: unknown;
  let verdict: Verdict | undefined;
  const ask = defineQuery<Status>('status');
  setHandler(ask, () => ({
    phase: verdict === undefined ? 'rolling' : 'done', generation: [7, 1],
    servers: { 'edge-a': { step: verdict === undefined ? 'downloadVersion' : 'served', since: 1_700_000_000_000, version: '1' } },
    ...(verdict === undefined ? {} : { verdict }), ...(pause === undefined ? {} : { pause }),
  }) as unknown as Status);
  setHandler(defineUpdate<unknown, [{ readonly reason: string }]>('abort'), (payload) => {
    aborted = payload;
    return { accepted: true, generation: [7, 1], message: 'stopping' };
  });
  setHandler(defineUpdate<unknown, [unknown]>('update'), (payload) => {
    if (JSON.stringify(payload).includes('refuse')) throw ApplicationFailure.nonRetryable('source.uri: that bucket is closed', 'InvalidInput');
    updated = payload;
    return { accepted: true, generation: [7, 2], message: 'taken' };
  });
  setHandler(defineUpdate<unknown, [object]>('pause'), (payload) => {
    pause = { sinceMs: 1_700_000_000_000, ...payload };
    return { accepted: true, generation: [7, 1], message: 'nothing new begins. Resume: segue rollout resume ID' };
  });
  setHandler(defineUpdate<unknown, [unknown]>('resume'), () => {
    if (pause === undefined) throw ApplicationFailure.nonRetryable('this rollout is not paused', 'InvalidInput');
    pause = undefined;
    return { accepted: true, generation: [7, 1], message: 'goes on' };
  });
  setHandler(defineUpdate<unknown, [{ readonly reason: string }]>('rollback'), (payload) => {
    if (verdict !== undefined) throw ApplicationFailure.nonRetryable('this rollout is over', 'InvalidInput');
    rolledBack = payload;
    return { accepted: true, generation: [7, 1], message: 'going back' };
  });
  setHandler(defineSignal('go'), () => { updated = 'go'; });

  const end = (outcome: Outcome, message: string): Verdict => (verdict = { outcome, message, servers: { 'edge-a': { end: 'served', version: '2' } }, notSeen: [] } as unknown as Verdict);
  try {
    if (input.reason === 'run') await condition(() => aborted !== undefined || rolledBack !== undefined || updated !== undefined);
  } catch (error) {
    if (isCancellation(error)) {
      end('cancelled', 'somebody cancelled it');
      throw new CancelledFailure('cancelled');
    }
    throw error;
  }
  if (aborted !== undefined) return failed(end('aborted', aborted.reason), 'Aborted');
  if (rolledBack !== undefined) return failed(end('rolledBack', rolledBack.reason), 'RolledBack');
  if (input.reason === 'lingers') {
    end('served', 'as asked');
    await condition(() => false, 2000); // as one whose fleet is slow to hear its verdict
    return end('served', 'as asked');
  }
  if (input.reason === 'run' || input.reason === 'served' || input.reason === 'alreadyServed') return end(input.reason === 'alreadyServed' ? 'alreadyServed' : 'served', JSON.stringify(updated ?? 'as asked'));
  return failed(end(input.reason as Outcome, 'as told'), input.reason);
}

function failed(verdict: Verdict, type: string): never {
  throw ApplicationFailure.nonRetryable(verdict.message, type, verdict);
}
