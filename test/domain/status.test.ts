import type { Digest, FleetName, ModelName, Pin, ServerName, Version } from '../../src/domain/names';
import { planRollout } from '../../src/domain/rollout';
import * as happened from '../../src/domain/rollout-state';
import type { RolloutState } from '../../src/domain/rollout-facts';
import { detailsOf, statusOf, waitingText } from '../../src/domain/status';

const s = (name: string): ServerName => name as ServerName;

function rolling(servers: number): RolloutState {
  const names = Array.from({ length: servers }, (_, i) => s(`edge-${String(i).padStart(3, '0')}`));
  const request = {
    fleet: 'demo' as FleetName, model: 'half' as ModelName, version: '2' as Version, source: { uri: 's3://models/half/2/', region: 'us-east-1', credentials: 'env' },
    strategy: { waves: [{ percent: 100 }], maxUnavailable: 1, mode: 'availability' as const, bakeSeconds: 0, drainSeconds: 0, loadDeadlineSeconds: 60, unloadDeadlineSeconds: 60 },
    onFailure: 'rollback' as const, holdSeconds: 3600, reason: 'better', requestedBy: 'ci', ciUrl: 'https://ci/1',
  };
  const claimed = happened.claimed(happened.begin(request), { epoch: 100, servers: names, unsettled: false, stable: { version: '1' as Version } }, 0);
  const resolved = happened.resolved(claimed, 1, s('edge-000'), { pin: 'pin:1' as Pin, digest: 'sha256:b' as Digest, files: 3, bytes: 100 }, 0);
  return happened.started(resolved, s('edge-000'), 'forward', 1, 3_661_000);
}
const statusNow = (state: RolloutState) => statusOf(state, planRollout(state, 0), undefined);

test('a server that moves shows its step, the others why they wait', () => {
  const state = happened.progressed(rolling(2), { server: s('edge-000'), token: [100, 1], step: 'downloadVersion', sinceMs: 7, version: '1' as Version });
  expect(statusNow(state)).toEqual({
    phase: 'rolling', generation: [100, 1],
    servers: { 'edge-000': { step: 'downloadVersion', since: 7, version: '1' }, 'edge-001': { step: 'pending', since: 0, waiting: { on: 'turn', behind: ['edge-000'] } } },
  });
});

test('the page says from what to what, who, why, and one line a server', () => {
  expect(detailsOf(rolling(2), statusNow(rolling(2)))).toBe([
    '**half 1 → 2** · rolling · generation 100.1', '', 'requested by ci · better · https://ci/1', '',
    '| server | step | serves | since (UTC) | waits for |', '| --- | --- | --- | --- | --- |',
    '| edge-000 | beginAttempt | - | 01:01:01 |  |', '| edge-001 | pending | - | 00:00:00 | its turn, behind edge-000 |',
  ].join('\n'));
});

test('while it waits for a person, the status says what failed, where and how', () => {
  const failure = { code: 'ProbeMismatch' as const, message: 'want 2.5, found 9.9' };
  const held = happened.ended({ ...rolling(2), request: { ...rolling(2).request, onFailure: 'hold' } }, s('edge-000'), { kind: 'failed', failure }, undefined, 5);
  expect(statusNow(held).failure).toMatchObject({ ...failure, server: 'edge-000' });
  expect(detailsOf(held, statusNow(held))).toContain('first failure: ProbeMismatch on edge-000: want 2.5, found 9.9');
});

test('the page stays below 40 lines for any fleet', () => {
  const page = detailsOf(rolling(200), statusNow(rolling(200)));
  expect(page.split('\n').length).toBeLessThan(40);
  expect(page).toContain('… and 170 more');
});

test.each([
  [{ on: 'peers' as const, servers: ['a', 'b', 'c', 'd'].map(s) }, 'a, b, c and 1 more of its wave'],
  [{ on: 'bake' as const, untilMs: 86_399_000 }, 'the bake, until 23:59:59'],
  [{ on: 'operator' as const, failure: 'LoadFailed' as const, untilMs: 0 }, 'a person (LoadFailed), until 00:00:00'],
  [{ on: 'stop' as const, servers: [s('a')] }, 'a to stop'],
])('%j reads as %s', (waiting, text) => expect(waitingText(waiting)).toBe(text));
