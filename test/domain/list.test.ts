// What list the server gets, row by row.

import { composeBoot, composeList, type ListEntry, type ListedModel } from '../../src/domain/list';
import type { ModelName, Version } from '../../src/domain/names';

const entry = (over: Partial<ListEntry> & { model?: ModelName } = {}): ListEntry =>
  ({ model: 'ranker' as ModelName, registered: 'yes', aspired: [], labels: {}, ...over });
const v = (...versions: string[]): Version[] => versions as Version[];
const real = (name: string, versions: string[], labels: Record<string, string> = {}): ListedModel =>
  ({ name, basePath: `/srv/models/${name}`, platform: 'tensorflow', versions, labels });
const sentinel = (name: string): ListedModel => ({ name, basePath: '/srv/models/.sentinel', platform: 'tensorflow', versions: ['0'], labels: {} });

describe('the live list', () => {
  const rows: [reason: string, entries: ListEntry[], list: ListedModel[]][] = [
    ['nothing known, nothing listed', [], []],
    ['a name nobody asked the server about is left out, even when a version is wanted', [entry({ registered: 'no', aspired: v('1') })], []],
    ['a name on its way goes by the sentinel, whatever is wanted of it', [entry({ registered: 'asked', aspired: v('1', '2'), labels: { stable: '1' as Version } })], [sentinel('ranker')]],
    ['a registered name without versions stays, or it would be new and block again', [entry()], [real('ranker', [])]],
    ['a candidate is listed beside what serves, never instead', [entry({ aspired: v('41', '42'), promoted: '41' as Version })], [real('ranker', ['41', '42'])]],
    ['versions rise by number, not by text, and appear once', [entry({ aspired: v('10', '9', '10') })], [real('ranker', ['9', '10'])]],
    ['labels to listed versions only', [entry({ aspired: v('2'), labels: { stable: '2' as Version, canary: '1' as Version } })], [real('ranker', ['2'], { stable: '2' })]],
    ['what is promoted but not aspired is not listed: aspired decides', [entry({ promoted: '1' as Version })], [real('ranker', [])]],
    ['every model is in it, in order of names', [entry({ model: 'b' as ModelName, aspired: v('1') }), entry({ model: 'a' as ModelName, registered: 'asked' })], [sentinel('a'), real('b', ['1'])]],
    ['int64 versions keep every digit', [entry({ aspired: v('9223372036854775807', '9223372036854775806') })], [real('ranker', ['9223372036854775806', '9223372036854775807'])]],
  ];
  test.each(rows)('%s', (_reason, entries, list) => expect(composeList(entries, '/srv')).toEqual(list));
});

describe('the boot file', () => {
  const rows: [reason: string, entries: ListEntry[], list: ListedModel[]][] = [
    ['only what was promoted: a candidate that kills the server must not be there when it comes back', [entry({ aspired: v('41', '42'), promoted: '41' as Version })], [real('ranker', ['41'])]],
    ['a name without a promoted version is left out, registered or not', [entry({ aspired: v('1') }), entry({ model: 'x' as ModelName, registered: 'asked' })], []],
    ['no labels: one to a version not yet AVAILABLE fails the start', [entry({ aspired: v('41'), promoted: '41' as Version, labels: { stable: '41' as Version } })], [real('ranker', ['41'])]],
    ['registration belongs to an incarnation, the boot file begins the next one', [entry({ registered: 'no', promoted: '7' as Version })], [real('ranker', ['7'])]],
  ];
  test.each(rows)('%s', (_reason, entries, list) => expect(composeBoot(entries, '/srv')).toEqual(list));
});
