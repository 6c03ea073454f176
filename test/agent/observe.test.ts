// What an entry of the server's history means, row by row. Polls are 1 s; times in milliseconds.

import { Observer } from '../../src/agent/observe';
import type { ModelName, Version } from '../../src/domain/names';
import type { ServableState } from '../../src/domain/view';
import type { ModelStatus } from '../../src/serving/client';

const model = 'half' as ModelName;
const v1 = '1' as Version;
const status = (state: ServableState): ModelStatus => new Map([[v1, { state, code: 'OK', message: '' }]]);
type Happening = [atMs: number, what: 'listed' | 'unlisted' | 'forgotten' | ServableState];

const rows: [reason: string, happenings: Happening[], atMs: number, state: ServableState | undefined][] = [
  ['a version without a history has no state', [], 0, undefined],
  ['what the server says of a listed version', [[0, 'listed'], [10, 'LOADING']], 10, 'LOADING'],
  ['END right after listing is an earlier life of that number', [[0, 'END'], [100, 'listed'], [110, 'END']], 110, undefined],
  ['END after another state was seen is this life', [[0, 'END'], [100, 'listed'], [110, 'LOADING'], [120, 'END']], 120, 'END'],
  ['END that stays for two polls and a second is this life: a load too quick to be seen otherwise', [[0, 'END'], [100, 'listed'], [110, 'END']], 3100, 'END'],
  ['and not a moment before', [[0, 'END'], [100, 'listed'], [110, 'END']], 3099, undefined],
  ['listing again clears what was seen', [[0, 'listed'], [10, 'LOADING'], [20, 'END'], [30, 'listed'], [40, 'END']], 40, undefined],
  ['a first load that ends before we look is believed after two polls and a second', [[0, 'listed'], [10, 'END']], 3000, 'END'],
  ['END of an unlisted version is END', [[0, 'listed'], [10, 'AVAILABLE'], [20, 'unlisted'], [30, 'END']], 30, 'END'],
  ['START of a listed version waits for its turn, however long', [[0, 'listed'], [10, 'START']], 60_000, 'START'],
  ['START of an unlisted version has ended after a poll and 0.3 s: the server forgot it silently', [[0, 'listed'], [10, 'START'], [100, 'unlisted'], [110, 'START']], 1400, 'END'],
  ['and not a moment before', [[0, 'listed'], [10, 'START'], [100, 'unlisted'], [110, 'START']], 1399, 'START'],
  ['START begun after it left the list counts from its beginning', [[0, 'listed'], [100, 'unlisted'], [900, 'START']], 2199, 'START'],
  ['LOADING of an unlisted version goes on', [[0, 'listed'], [10, 'LOADING'], [20, 'unlisted'], [30, 'LOADING']], 60_000, 'LOADING'],
  ['a version this process never listed is taken as the server gives it', [[0, 'END']], 0, 'END'],
  ['a version of another process is gone', [[0, 'listed'], [10, 'AVAILABLE'], [20, 'forgotten']], 20, undefined],
];
test.each(rows)('%s', (_reason, happenings, atMs, state) => {
  const observer = new Observer(1);
  for (const [at, what] of happenings) {
    if (what === 'listed' || what === 'unlisted') observer[what](model, v1, at);
    else observer.record(model, what === 'forgotten' ? 'unknown model' : status(what), at);
  }
  expect(observer.state(model, v1, atMs)).toBe(state);
});

test('since when a state is unchanged', () => {
  const observer = new Observer(1);
  for (const at of [5, 10, 15]) observer.record(model, status('UNLOADING'), at);
  expect(observer.entry(model, v1)?.sinceMs).toBe(5);
  observer.record(model, status('END'), 20);
  expect(observer.entry(model, v1)?.sinceMs).toBe(20);
});
