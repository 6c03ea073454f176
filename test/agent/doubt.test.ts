// After a doubt: is it the same server process, and what shall its list say? Row by row.

import { afterDoubt, isSameIncarnation } from '../../src/agent/doubt';
import { freshEntry, type ModelEntry } from '../../src/agent/journal-format';
import type { ModelName, Version } from '../../src/domain/names';
import type { ModelStatus } from '../../src/serving/client';

const model = 'half' as ModelName;
const vs = (...versions: string[]): Version[] => versions as Version[];
const entry = (over: Partial<ModelEntry>): ModelEntry => ({ ...freshEntry, token: [1, 1], open: true, registered: 'yes', ...over });
const history = (...versions: string[]): ModelStatus => new Map(vs(...versions).map((one) => [one, { state: 'AVAILABLE', code: 'OK', message: '' }]));
const candidate = (version: string, accepted = true): ModelEntry['candidate'] => ({ version: version as Version, token: [1, 1], sinceMs: 5, accepted });
const one = '1' as Version;

describe('the same process?', () => {
  const rows: [reason: string, entries: ModelEntry[], statuses: ModelStatus[], same: boolean][] = [
    ['the sentinel has a history: only our list gave it', [entry({ promoted: one })], [history('0', '1')], true],
    ['a version that ended has one', [entry({ promoted: '2' as Version })], [history('1', '2')], true],
    ['a candidate has one', [entry({ promoted: one, candidate: candidate('2') })], [history('1', '2')], true],
    ['only what the boot file gives: nobody can tell, and the answer is no', [entry({ promoted: one })], [history('1')], false],
    ['the name is not known: it forgot', [entry({ promoted: one })], ['unknown model'], false],
    ['one witness among many models is enough', [entry({ promoted: one }), entry({ promoted: one })], [history('1'), history('0')], true],
    ['no models at all', [], [], false],
  ];
  test.each(rows)('%s', (_reason, entries, statuses, same) => {
    const name = (index: number): ModelName => `${model}${index}` as ModelName;
    expect(isSameIncarnation(new Map(entries.map((it, index) => [name(index), it])), new Map(statuses.map((it, index) => [name(index), it])))).toBe(same);
  });
});

describe('what shall be listed', () => {
  const rows: [reason: string, before: ModelEntry, status: ModelStatus, same: boolean, after: Partial<ModelEntry>][] = [
    ['the same process keeps everything, a bake included', entry({ aspired: vs('1', '2'), promoted: '2' as Version }), history('0', '1', '2'), true, { aspired: vs('1', '2'), registered: 'yes', unsure: [] }],
    ['another process gets only what was promoted', entry({ aspired: vs('1', '2'), promoted: '2' as Version }), history('2'), false, { aspired: vs('2'), unsure: vs('1') }],
    ['a candidate that was loading is lost with the process, and not listed again', entry({ aspired: vs('1', '2'), promoted: one, candidate: candidate('2') }), history('1'), false,
      { aspired: vs('1'), candidate: undefined, lost: { version: '2' as Version, message: expect.stringContaining('restarted') as string } }],
    ['a candidate the server never confirmed is forgotten, not lost: its step lists it again', entry({ aspired: vs('1', '2'), promoted: one, candidate: candidate('2', false) }), history('0', '1'), true,
      { aspired: vs('1'), candidate: undefined, lost: undefined }],
    ['an unconfirmed candidate with a history was accepted', entry({ aspired: vs('1', '2'), promoted: one, candidate: candidate('2', false) }), history('0', '1', '2'), true,
      { aspired: vs('1', '2'), candidate: candidate('2', true) }],
    ['a first version that was loading leaves a name nobody knows', entry({ aspired: vs('1'), candidate: candidate('1') }), 'unknown model', false, { aspired: [], registered: 'no', candidate: undefined }],
    ['a promoted version that the server does not know is registered anew', entry({ aspired: vs('1'), promoted: one }), 'unknown model', false, { aspired: vs('1'), registered: 'asked' }],
    ['a promoted name from the boot file is known', entry({ promoted: one, registered: 'no' }), history('1'), false, { aspired: vs('1'), registered: 'yes' }],
    ['a name whose sentinel was sent and that is known now is ours', entry({ registered: 'asked' }), history('0'), true, { registered: 'yes' }],
    ['a name that is known although nobody here asked for it is not ours', entry({ registered: 'no' }), history('7'), true, { registered: 'no' }],
    ['a version that was unloaded on purpose comes back with a boot file that still has it', entry({ aspired: [], promoted: one }), history('1'), false, { aspired: vs('1') }],
    ['and stays away in the same process', entry({ aspired: [], promoted: one }), history('0', '1'), true, { aspired: [] }],
    ['labels to what is gone are gone', entry({ aspired: vs('1', '2'), promoted: '2' as Version, labels: { a: one, b: '2' as Version } }), history('2'), false, { labels: { b: '2' as Version } }],
    ['what may be listed stays unsure until a list without it was taken', entry({ aspired: vs('1'), unsure: vs('2'), promoted: one }), history('1', '2'), true, { aspired: vs('1'), unsure: vs('2') }],
  ];
  test.each(rows)('%s', (_reason, before, status, same, after) => expect({ lost: undefined, ...afterDoubt(before, status, same) }).toMatchObject(after));
});
