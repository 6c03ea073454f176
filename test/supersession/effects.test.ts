import { violationsOf, type Effect } from './effects';

const epochs: Readonly<Record<string, ReadonlySet<number>>> = { 1: new Set([10]), 2: new Set([20, 30]) };
const violations = (...effects: Effect[]): readonly string[] => violationsOf(effects, (version) => epochs[version] ?? new Set());
const journal = (epoch: number, open = true, attempt = 1): Effect => ({ did: 'journal', token: [epoch, attempt], open });
const publish = (version: string): Effect => ({ did: 'publish', version });
const list = (...versions: string[]): Effect => ({ did: 'reload', versions });

test.each<[string, readonly Effect[]]>([
  ['one after the other, the newer again after a reset', [journal(10), publish('1'), list('1'), journal(10, false), journal(20), publish('2'), list('1', '2'), list('2'), journal(30), list('2')]],
  ['what an abort takes off, and what a restart asserts again, is no effect of a closed token', [journal(10), list('1'), journal(20), list('1', '2'), journal(20, false), list('1'), list('1')]],
])('nothing is wrong: %s', (_why, effects) => expect(violations(...effects)).toEqual([]));

test.each<[string, readonly Effect[], RegExp]>([
  ['published by the older after the newer was admitted', [journal(10), journal(20), publish('1')], /^publish 1, wanted at 10, while 20\.1 holds the model$/],
  ['listed by the older after the newer was admitted', [journal(10), publish('1'), journal(20), list('1')], /^list 1, wanted at 10, while 20\.1/],
  ['listed after its own abort', [journal(10), journal(10, false), list('1')], /^list 1 although 10\.1 is closed$/],
  ['a token that went back', [journal(20), journal(10)], /^the journal went from 20\.1 back to 10\.1$/],
  ['a version nobody wanted', [journal(10), list('7')], /^list 7, wanted at no epoch/],
])('%s is found', (_what, effects, said) => expect(violations(...effects)).toEqual([expect.stringMatching(said)]));
