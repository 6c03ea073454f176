import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '../../src/testing/tf-serving/conformance/check';
import { parseTimeline } from '../../src/testing/tf-serving/conformance/timeline';

const DATA = join(__dirname, '..', 'data');

describe.each(['tfserving-core-traces', 'tfserving-core-fuzz'])('the core does what the real one was seen to do: %s', (folder) => {
  test.each(readdirSync(join(DATA, folder)).filter((name) => /^[sf][0-9].*\.txt$/.test(name)))('%s', async (name) => {
    const timeline = parseTimeline(name, readFileSync(join(DATA, folder, name), 'utf8'));
    expect(await check(timeline)).toEqual([]);
  });
});
