// Which code carries the bodies: decided in one place, told to whoever asked, and changed in the middle only where our own cannot go on.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bodyPathFor } from '../../src/source/body-path';
import type { BodyPath } from '../../src/source/body-path';
import { deadlineMsFor } from '../../src/source/download';
import { failureOf } from './failing';
import { kit, noise } from './kit';
import type { Kit } from './kit';

const MIB = 1024 * 1024;
const at = (bucket: string): Parameters<typeof bodyPathFor>[0] => ({ bucket, prefix: 'half/1/' });

test.each<[string, string, Readonly<Record<string, string>>, BodyPath['by'], RegExp]>([
  ['any bucket', 'models', {}, 'own', /own connections/],
  ['a directory bucket', 'models--use1-az4--x-s3', {}, 'sdk', /sessions/],
  ['a proxy for all of Node', 'models', { NODE_USE_ENV_PROXY: '1' }, 'sdk', /proxy/],
  ['a proxy that Node does not heed', 'models', { HTTPS_PROXY: 'http://proxy:3128' }, 'own', /own connections/],
  ['the variable, against a proxy', 'models', { NODE_USE_ENV_PROXY: '1', SEGUE_BODY_PATH: 'own' }, 'own', /SEGUE_BODY_PATH=own/],
  ['the variable', 'models', { SEGUE_BODY_PATH: 'sdk' }, 'sdk', /SEGUE_BODY_PATH=sdk/],
  ['a variable that makes no sense', 'models', { SEGUE_BODY_PATH: 'fast' }, 'own', /own connections/],
])('%s', (_, bucket, environment, by, why) => {
  expect(bodyPathFor(at(bucket), environment)).toEqual({ by, why: expect.stringMatching(why) as string });
});

describe('from a server', () => {
  const big = noise(3 * MIB + 17);
  let k: Kit;
  beforeEach(async () => {
    k = await kit();
    await k.put('big', big);
    await k.put('small', 'small');
  });
  afterEach(async () => {
    expect(k.sockets.open().count).toBe(0);
    await k.s3.stop();
  });
  const fetched = async (more: Parameters<Kit['fetch']>[0] = {}): Promise<readonly string[]> => {
    const told: string[] = [];
    await k.fetch({ ...more, onBody: ({ by, why }) => told.push(`${by}: ${why}`) });
    expect([readFileSync(join(k.into, 'big')).equals(big), readFileSync(join(k.into, 'small'), 'utf8')]).toEqual([true, 'small']);
    return told;
  };

  test('a large object whose range is answered with the whole of it is fetched over the SDK instead, which is told', async () => {
    k.s3.fault({ key: '*/big', fault: { kind: 'wholeObject' } });
    await k.put('larger', noise(9 * MIB)); // In parts of 8 MiB.
    k.s3.fault({ key: '*/larger', fault: { kind: 'wholeObject' } });
    expect(await fetched()).toEqual(['own: asked for', 'sdk: the server answers a range with the whole object']);
    expect(readFileSync(join(k.into, 'larger')).equals(noise(9 * MIB))).toBe(true);
  });

  test('one of a single part that broke off, and then comes whole, begins anew where it is', async () => {
    k.s3.fault({ key: '*/big', times: 1, fault: { kind: 'reset', afterBytes: MIB + 100 } });
    k.s3.fault({ key: '*/big', fault: { kind: 'wholeObject' } });
    expect(await fetched()).toEqual(['own: asked for']);
    expect(k.gets('big').map(({ status }) => status)).toEqual([200, 200]);
  });

  test('nothing to fetch, nothing told', async () => {
    const have = await k.fetch();
    expect(await fetched({ have })).toEqual([]);
  });

  test.each(['own', 'sdk'] as const)('over the %s path: all patience has an end, though bytes come', async (body) => {
    k.s3.fault({ key: '*/big', fault: { kind: 'trickle', bytesPerSecond: 200_000 } });
    const failure = await failureOf(() => k.fetch({ body, idleTimeoutMs: 60_000, deadlineMs: 400 }));
    expect([failure.code, failure.message]).toEqual(['SourceUnreachable', expect.stringMatching(new RegExp(`: ${big.length + 5} bytes not there after 0 s`))]);
  });

  test('by the size of what is fetched', () => {
    expect(deadlineMsFor(0)).toBe(10 * 60_000);
    expect(deadlineMsFor(1024 ** 3) / 3_600_000).toBeCloseTo(2.44, 1);
  });
});
