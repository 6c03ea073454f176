import { diagnose, FETCH_IDLE_MS, HELD_AFTER_MS, type Cause, type ModelFacts, type ServerFacts, type VersionFacts } from '../../src/domain/diagnosis';
import type { ModelName, Version } from '../../src/domain/names';
import { program } from '../../src/cli/program';

const v = (text: string): Version => text as Version;
const version = (over: Partial<VersionFacts> & { version: Version }): VersionFacts => ({ listed: true, state: 'AVAILABLE', forMs: 60_000, answers: over.state === undefined || over.state === 'AVAILABLE', ...over });
const model = (over: Partial<ModelFacts> = {}): ModelFacts => ({ model: 'half' as ModelName, known: true, basePath: { path: '/r/models/half', found: 'versions' }, versions: [version({ version: v('1') })], ...over });
const facts = (over: Partial<ServerFacts> = {}): ServerFacts => ({ address: '127.0.0.1:8500', answer: 'answers', pollMs: 1_000, reload: { kind: 'free' }, models: [model()], fetches: [], root: '/r', ...over });
const with2 = (over: Partial<VersionFacts>): readonly ModelFacts[] => [model({ versions: [version({ version: v('1') }), version({ version: v('2'), answers: false, ...over })] })];
const unnoticed = { state: undefined, answers: false, forMs: 5_000 } as const;
const fresh = (found: 'missing' | 'empty' | 'versions'): ModelFacts => model({ model: 'fresh' as ModelName, known: false, basePath: { path: '/r/models/fresh', found }, versions: [] });
const held = { kind: 'held', forMs: 5_000 } as const;

const rows: readonly (readonly [reason: string, facts: ServerFacts, causes: readonly Cause[]])[] = [
  ['nothing on its way', facts(), []],
  ['nothing known, nothing asked', facts({ models: [] }), []],
  ['a list the next poll will notice', facts({ models: with2({ state: undefined, forMs: 900 }) }), []],
  ['an unload that has just begun', facts({ models: with2({ state: 'UNLOADING', forMs: HELD_AFTER_MS - 1 }) }), []],
  ['a reload that a poll will answer', facts({ reload: { kind: 'held', forMs: 900 } }), []],
  ['a failed version: that is over', facts({ models: with2({ state: 'END' }) }), []],
  ['nothing listens', facts({ answer: 'refused' }), ['serverGone']],
  ['no answer in time', facts({ answer: 'silent' }), ['serverGone']],
  ['no thread left', facts({ answer: 'exhausted', reload: held }), ['threadsExhausted']],
  ['a list refused for what an earlier one said', facts({ reload: { kind: 'refused', text: 'Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, model name is x' } }), ['poisonedList']],
  ['a list refused for its own sake', facts({ reload: { kind: 'refused', text: 'Request to assign label to version 2 of model m' } }), []],
  ['a name without a base path', facts({ reload: held, models: [model(), fresh('missing')] }), ['configLock']],
  ['the same, although something else is loading', facts({ reload: held, models: [...with2({ state: 'LOADING' }), fresh('empty')] }), ['configLock', 'loadRunning']],
  ['a name nobody told us of', facts({ reload: held }), ['configLock']],
  ['a name whose versions are there, but not the one listed', facts({ reload: held, models: [model(), fresh('versions')] }), ['configLock']],
  ['a new name that loads: it lets go', facts({ reload: held, models: with2({ state: 'LOADING' }) }), ['loadRunning']],
  ['a registration that waits for a drain', facts({ reload: held, models: with2({ state: 'UNLOADING' }) }), ['heldHandle']],
  ['a base path that is gone', facts({ models: [model(), model({ model: 'b' as ModelName, basePath: { path: '/r/models/b', found: 'missing' } })] }), ['badBasePath']],
  ['a list nobody looks at, while nothing moves', facts({ models: with2(unnoticed) }), ['badBasePath']],
  ['an empty base path freezes nothing', facts({ models: [model({ basePath: { path: '/r/models/half', found: 'empty' }, versions: [] })] }), []],
  ['an unload that lasts', facts({ models: with2({ state: 'UNLOADING' }) }), ['heldHandle']],
  ['a load that answers already', facts({ models: with2({ state: 'LOADING', answers: true }) }), ['heldHandle']],
  ['a load without load threads', facts({ loadThreads: 0, models: with2({ state: 'LOADING' }) }), ['inlineLoads']],
  ['a load during which nothing else is noticed', facts({ models: [...with2({ state: 'LOADING' }), model({ model: 'b' as ModelName, versions: [version({ version: v('3'), ...unnoticed })] })] }), ['inlineLoads']],
  ['the same with threads known to be there: somebody else\'s base path', facts({ loadThreads: 2, models: [...with2({ state: 'LOADING' }), model({ model: 'b' as ModelName, versions: [version({ version: v('3'), ...unnoticed })] })] }), ['badBasePath', 'loadRunning']],
  ['a load that must have failed, and retries', facts({ loadRetries: 5, models: with2({ state: 'LOADING', damage: 'saved_model.pb: not there' }) }), ['retrySleep']],
  ['damage, but no retries: it is about to end', facts({ loadRetries: 0, models: with2({ state: 'LOADING', damage: 'saved_model.pb: not there' }) }), ['loadRunning']],
  ['START, and nothing loads', facts({ models: with2({ state: 'START' }) }), ['reserving']],
  ['START behind another load', facts({ models: [model({ versions: [version({ version: v('2'), state: 'START', answers: false }), version({ version: v('3'), state: 'LOADING', answers: false })] })] }), ['loadRunning']],
  ['START for ever, of a version no list names', facts({ models: with2({ state: 'START', listed: false }) }), []],
  ['a load', facts({ models: with2({ state: 'LOADING', forMs: 10 }) }), ['loadRunning']],
  ['a load no list names any more', facts({ models: with2({ state: 'LOADING', listed: false }) }), ['loadRunning']],
  ['bytes that do not come', facts({ fetches: [{ model: 'half' as ModelName, version: v('2'), bytes: 5, of: 9, idleForMs: FETCH_IDLE_MS }] }), ['fetchStall']],
  ['bytes that come slowly', facts({ fetches: [{ model: 'half' as ModelName, version: v('2'), bytes: 5, of: 9, idleForMs: FETCH_IDLE_MS - 1 }] }), []],
  ['what is stuck comes before what takes its time', facts({ models: with2({ state: 'LOADING' }), fetches: [{ model: 'b' as ModelName, version: v('2'), bytes: 5, idleForMs: 9_000 }] }), ['fetchStall', 'loadRunning']],
];

test.each(rows)('%s', (_reason, seen, causes) => expect(diagnose(seen).map((one) => one.cause)).toEqual(causes));

test('every diagnosis has evidence and a next command whose verb exists', () => {
  for (const one of rows.flatMap(([, seen]) => diagnose(seen))) {
    expect(one.evidence.length).toBeGreaterThan(0);
    const [tool = '', verb = '', sub = ''] = one.next.split(' ');
    expect(['segue', 'tensorflow_model_server', 'mkdir', 'ls']).toContain(tool);
    if (tool === 'segue') expect(program().commands.find((command) => command.name() === verb)?.commands.map((command) => command.name())).toContain(sub);
  }
});

test('only a running load is said to end by itself', () => {
  expect(new Set(rows.flatMap(([, seen]) => diagnose(seen)).filter((one) => one.severity === 'waiting').map((one) => one.cause))).toEqual(new Set(['loadRunning']));
});
