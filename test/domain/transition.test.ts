import { endAfterAbort, firstStep, nextStep, type Goal, type Next } from '../../src/domain/transition';
import type { Failure } from '../../src/domain/failures';
import type { Step } from '../../src/domain/host';
import type { Digest, Pin, Version } from '../../src/domain/names';
import type { TransitionEnd } from '../../src/domain/rollout-facts';
import type { ModelView } from '../../src/domain/view';

type Versions = Record<number, ModelView['states'][Version]>;
interface World { staged?: number[]; aspired?: number[]; promoted?: number; states?: Versions; partial?: 'fetching' | 'fetched' | 'verified'; drained?: number[]; partialPin?: string; partialDigest?: string; digests?: Record<number, string> }

const v = (n: number): Version => String(n) as Version;
const pin = 'pin:new' as Pin;

function view(world: World): ModelView {
  const staged = Object.fromEntries((world.staged ?? []).map((n) => [n, { digest: (world.digests?.[n] ?? `sha256:${n}`) as Digest, pin: `pin:${n}` as Pin }]));
  return {
    token: [1, 1], staged, aspired: (world.aspired ?? []).map(v), states: { ...world.states }, labels: {}, waits: {}, drained: (world.drained ?? []).map(v), incarnation: 'i',
    ...(world.promoted === undefined ? {} : { promoted: v(world.promoted) }),
    ...(world.partial === undefined ? {} : { partial: { version: v(43), pin: (world.partialPin ?? pin) as Pin, bytes: 1, of: 2, phase: world.partial, ...(world.partialDigest === undefined ? {} : { digest: world.partialDigest as Digest }) } }),
  };
}
const to = (n: number, more: Partial<Goal> = {}): Goal => ({ version: v(n), pin, mode: 'availability', ...more });
const act = (step: Step, n: number): Next => ({ kind: 'step', step, version: v(n) });
const serving42: World = { staged: [42], aspired: [42], promoted: 42, states: { 42: 'AVAILABLE' } };
const both: World = { staged: [42, 43], aspired: [42, 43], promoted: 43, states: { 42: 'AVAILABLE', 43: 'AVAILABLE' } };

const rows: [reason: string, goal: Goal, world: World, next: Next][] = [
  ['a server that never heard of the model fetches first', to(43), {}, act('downloadVersion', 43)],
  ['a server serving the old version fetches first', to(43), serving42, act('downloadVersion', 43)],
  ['a download cut short is resumed', to(43), { ...serving42, partial: 'fetching' }, act('downloadVersion', 43)],
  ['a partial of another listing is not this version', to(43), { ...serving42, partial: 'verified', partialPin: 'pin:stale' }, act('downloadVersion', 43)],
  ['bytes that all arrived are verified', to(43), { ...serving42, partial: 'fetched' }, act('verifyVersion', 43)],
  ['verified bytes are staged', to(43), { ...serving42, partial: 'verified' }, act('stageVersion', 43)],
  ['a staged version is listed beside the old one', to(43, { digest: 'sha256:43' as Digest }), { ...serving42, staged: [42, 43] }, act('reloadConfig', 43)],
  ['a version staged under this number with other content is fetched again', to(43, { digest: 'sha256:other' as Digest }), { ...serving42, staged: [42, 43] }, act('downloadVersion', 43)],
  ['without a digest the same pin means the same bytes', to(43, { pin: 'pin:43' as Pin }), { ...serving42, staged: [42, 43] }, act('reloadConfig', 43)],
  ['a rollback needs only that the bytes are there', { version: v(42), mode: 'availability' }, { staged: [42, 43], aspired: [43], promoted: 43, states: { 43: 'AVAILABLE' } }, act('reloadConfig', 42)],
  ['served from memory, its files gone: the bytes come back first', to(42, { pin: 'pin:42' as Pin, digest: 'sha256:42' as Digest }), { ...serving42, staged: [] }, act('downloadVersion', 42)],
  ['content known to be bad is refused once it is verified', to(43, { knownBad: ['sha256:bad' as Digest] }), { ...serving42, partial: 'verified', partialDigest: 'sha256:bad' }, { kind: 'refused', digest: 'sha256:bad' as Digest }],
  ['content known to be bad is refused although it lies on the disk', to(43, { pin: 'pin:43' as Pin, knownBad: ['sha256:43' as Digest] }), { ...serving42, staged: [42, 43] }, { kind: 'refused', digest: 'sha256:43' as Digest }],
  ['other content is not', to(43, { pin: 'pin:43' as Pin, knownBad: ['sha256:bad' as Digest] }), { ...serving42, staged: [42, 43] }, act('reloadConfig', 43)],
  ['a listed version is awaited', to(43, { digest: 'sha256:43' as Digest }), { ...serving42, staged: [42, 43], aspired: [42, 43] }, act('awaitAvailable', 43)],
  ['AVAILABLE is not enough: it has not answered its probe', to(43, { digest: 'sha256:43' as Digest }), { ...both, promoted: 42 }, act('awaitAvailable', 43)],
  ['a listed candidate that ended is awaited, so that its error is told', to(43, { digest: 'sha256:43' as Digest }), { ...serving42, staged: [42, 43], aspired: [42, 43], states: { 42: 'AVAILABLE', 43: 'END' } }, act('awaitAvailable', 43)],
  ['a stale candidate still loading is seen to its END before a new one is listed', to(44, { digest: 'sha256:44' as Digest }), { ...serving42, staged: [42, 43, 44], states: { 42: 'AVAILABLE', 43: 'LOADING' } }, act('unloadVersion', 43)],
  ['the same number still ending is seen to its END before it is listed again', to(43, { digest: 'sha256:43' as Digest }), { ...serving42, staged: [42, 43], states: { 42: 'AVAILABLE', 43: 'LOADING' } }, act('unloadVersion', 43)],
  ['the old version is drained once the new one serves', to(43), both, act('drainVersion', 42)],
  ['a drained version is unloaded', to(43), { ...both, drained: [42] }, act('unloadVersion', 42)],
  ['an unlisted version still held is awaited', to(43), { ...both, aspired: [43], states: { 42: 'UNLOADING', 43: 'AVAILABLE' } }, act('unloadVersion', 42)],
  ['during a bake the old version stays', to(43, { keep: v(42) }), both, { kind: 'waiting', on: 'gate', keep: v(42) }],
  ['a bake without anything to keep waits for nobody', to(43, { keep: v(42) }), { ...both, aspired: [43] }, act('unloadVersion', 42)],
  ['a bake whose old version is gone is over', to(43, { keep: v(42) }), { ...both, aspired: [43], states: { 43: 'AVAILABLE' } }, { kind: 'done' }],
  ['a third version is drained even during a bake', to(43, { keep: v(42) }), { ...both, staged: [41, 42, 43], aspired: [41, 42, 43], states: { 41: 'AVAILABLE', 42: 'AVAILABLE', 43: 'AVAILABLE' } }, act('drainVersion', 41)],
  ['served alone is done', to(43), { staged: [43], aspired: [43], promoted: 43, states: { 42: 'END', 43: 'AVAILABLE' } }, { kind: 'done' }],
  ['done stays done although the source now has another pin', to(43), { staged: [43], aspired: [43], promoted: 43, states: { 43: 'AVAILABLE' } }, { kind: 'done' }],
  ['going back during a bake proves the old version first', { version: v(42), mode: 'availability' }, both, act('awaitAvailable', 42)],
  ['going back then drains the new one', { version: v(42), mode: 'availability' }, { ...both, promoted: 42 }, act('drainVersion', 43)],
  ['resource mode fetches while the old version serves', to(43, { mode: 'resource' }), serving42, act('downloadVersion', 43)],
  ['resource mode drains the old version before the new one is listed', to(43, { mode: 'resource', digest: 'sha256:43' as Digest }), { ...serving42, staged: [42, 43] }, act('drainVersion', 42)],
  ['resource mode unloads it', to(43, { mode: 'resource', digest: 'sha256:43' as Digest }), { ...serving42, staged: [42, 43], drained: [42] }, act('unloadVersion', 42)],
  ['resource mode waits for its END', to(43, { mode: 'resource', digest: 'sha256:43' as Digest }), { staged: [42, 43], aspired: [], promoted: 42, states: { 42: 'UNLOADING' } }, act('unloadVersion', 42)],
  ['resource mode then lists the new one', to(43, { mode: 'resource', digest: 'sha256:43' as Digest }), { staged: [42, 43], aspired: [], promoted: 42, states: { 42: 'END' } }, act('reloadConfig', 43)],
  ['nothing wanted and nothing there is done', { mode: 'availability' }, { staged: [43] }, { kind: 'done' }],
  ['nothing wanted drains what is listed', { mode: 'availability' }, serving42, act('drainVersion', 42)],
  ['nothing wanted awaits what still ends', { mode: 'availability' }, { states: { 43: 'LOADING' } }, act('unloadVersion', 43)],
  ['versions compare as numbers, not as text', { mode: 'availability' }, { aspired: [10, 9], states: {} }, act('drainVersion', 9)],
];

test.each(rows)('%s', (_reason, goal, world, next) => {
  expect(nextStep(goal, view(world))).toEqual(next);
});

test('the first call looks, unless an older load is being stopped for these bytes', () => {
  expect(firstStep({ version: v(43) })).toEqual({ kind: 'begin' });
  expect(firstStep({ overtakes: true })).toEqual({ kind: 'begin' });
  expect(firstStep({ version: v(43), overtakes: true })).toEqual(act('downloadVersion', 43));
});

test('the seven steps come in the order of the brief', () => {
  const goal = to(43, { digest: 'sha256:43' as Digest });
  const worlds: World[] = [serving42, { ...serving42, partial: 'fetched' }, { ...serving42, partial: 'verified' }, { ...serving42, staged: [42, 43] }, { ...serving42, staged: [42, 43], aspired: [42, 43] }, both, { ...both, drained: [42] }];
  expect(worlds.map((world) => nextStep(goal, view(world))).map((next) => (next.kind === 'step' ? next.step : next.kind)))
    .toEqual(['downloadVersion', 'verifyVersion', 'stageVersion', 'reloadConfig', 'awaitAvailable', 'drainVersion', 'unloadVersion']);
});

describe('how an attempt ended that was aborted then', () => {
  const failed = (code: string, detail: Readonly<Record<string, unknown>>): TransitionEnd => ({ kind: 'failed', failure: { code, message: 'why', detail } as Failure });
  const byOwn = failed('StaleAttempt', { found: '7.2 closed', holds: [7, 2] });
  const byNext = failed('StaleAttempt', { found: '7.3 open', holds: [7, 3] });
  const byNewer = failed('StaleAttempt', { found: '8.1 open', holds: [8, 1] });
  const notBegun = failed('StaleAttempt', { found: '7.1 closed', holds: [7, 1] });
  const broken = failed('IntegrityMismatch', { holds: [7, 2] });
  test.each([
    ['its step ends as stale because its rollout told its host first: stopped', byOwn, true, { kind: 'stopped' }],
    ['and nobody proved it: not seen', byOwn, false, { kind: 'notSeen' }],
    ['the next attempt of its rollout took over: stopped', byNext, true, { kind: 'stopped' }],
    ['a newer rollout took over: that is its failure', byNewer, true, byNewer],
    ['its host never heard of it: nobody stopped it', notBegun, true, notBegun],
    ['it had failed by itself: that is not forgotten', broken, true, broken],
    ['its step had not ended', undefined, true, { kind: 'stopped' }],
    ['its step had not ended, and the host does not answer', undefined, false, { kind: 'notSeen' }],
  ] as const)('%s', (_why, end, proven, found) => expect(endAfterAbort([7, 2], end, proven)).toEqual(found));
});
