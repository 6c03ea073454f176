// A kill or an error at every file-system call the agent makes while it stages, journals and writes its boot file; and that these checks can fail.
//
// Seen red before the agent was changed, each by tens of cases: an agent killed between the rename that stages a version and the journal's word of it never started again
// (it looked for the bytes in staging); a boot file or journal whose rename nobody fsynced was believed, and so was a version; an fsync that failed and could not be cleaned
// away was forgotten by the next attempt; a removal that failed half-way left its trash for good; errors without a name.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findStrace, reasonNoStrace } from '../setup/strace';
import { reasonInName, wherePossible } from '../setup/where-possible';
import { acknowledged, violations } from './check';
import { compileWriter } from './compiled';
import { Durability } from './durability';
import { FAULTS, injectEverywhere } from './inject';
import { live, openHost, STEPS } from './life';
import { leftovers } from './restarted';

const directory = mkdtempSync(join(tmpdir(), 'segue-crash-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const why = reasonNoStrace();
wherePossible(describe, why)(`at every call, for n = 1, 2, 3 … until none is left${reasonInName(why)}`, () => {
  let strace: string;
  let program: string;
  beforeAll(async () => {
    strace = await findStrace();
    program = compileWriter(join(directory, 'program'));
  }, 300_000);

  test('the first start of an agent, from an empty root', async () => {
    const { cases, violations: found } = await injectEverywhere(strace, program, { order: { from: 1, to: 0 }, faults: FAULTS });
    expect(found).toEqual([]);
    expect(cases['rename SIGKILL']).toBeGreaterThanOrEqual(2); // Journal and boot file.
  }, 300_000);

  test('from version 1 to version 2: fetched, staged, promoted, the old one removed', async () => {
    const { cases, violations: found } = await injectEverywhere(strace, program, { order: { from: 2, to: 2 }, faults: FAULTS });
    expect(found).toEqual([]);
    // Not fewer because strace did nothing: with --seccomp-bpf its signals were seen to be lost silently (6.1).
    expect(cases['rename SIGKILL']).toBeGreaterThanOrEqual(12);
    expect(cases['fsync EIO']).toBeGreaterThanOrEqual(25);
    expect(Object.values(cases).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(500);
  }, 600_000);
});

describe('the checks can fail', () => {
  async function rootAt(version: number): Promise<string> {
    const root = mkdtempSync(join(directory, 'root-'));
    const host = await openHost(root);
    for (let number = 1; number <= version; number += 1) await live(host, number, 1, () => Promise.resolve());
    return root;
  }
  const done = { version: 3, steps: 0, ready: true };

  test('whole', async () => expect(violations(await rootAt(2), done)).toEqual([]));

  const damage: [what: string, harm: (root: string) => void, told: RegExp][] = [
    ['a torn journal', (root) => writeFileSync(join(root, 'journal.json'), '{"format":1,'), /is no journal/],
    ['no journal', (root) => rmSync(join(root, 'journal.json')), /journal.json is gone/],
    ['an empty boot file', (root) => writeFileSync(join(root, 'boot.config'), ''), /boot.config is not/],
    ['a file of zero bytes', (root) => writeFileSync(join(root, 'models/half/2/saved_model.pb'), ''), /saved_model.pb differs: want 3000 bytes, found 0/],
    ['a flipped byte', (root) => writeFileSync(join(root, 'models/half/2/variables/variables.index'), Buffer.alloc(150, 'variables/variables.index of version 1\n')), /variables.index differs/],
    ['a missing file', (root) => rmSync(join(root, 'models/half/2/variables/variables.index')), /lacks variables/],
    ['a version that is gone', (root) => rmSync(join(root, 'models/half/2'), { recursive: true }), /version 2 is gone/],
  ];
  test.each(damage)('%s', async (_what, harm, told) => {
    const root = await rootAt(2);
    harm(root);
    expect(violations(root, done).join('\n')).toMatch(told);
  });

  test('an acknowledged step that is not there: the disk is older than what was said', async () => {
    const root = await rootAt(2);
    for (let steps = 1; steps <= STEPS.length; steps += 1) expect(violations(root, { version: 3, steps, ready: true })).not.toEqual([]);
  });

  test('a last line that is not whole was not said', () => {
    expect(acknowledged('ready\ndone 2 open\ndone 2 abort\ndone 2 own\ndone 2 fet', 2, true)).toMatchObject({ version: 2, steps: 3 });
    expect(acknowledged('ready\ndone 2 promote\ndone 2 remove\n', 2, true)).toMatchObject({ version: 3, steps: 0 });
  });

  test('bytes nobody owns', async () => {
    const root = await rootAt(1);
    writeFileSync(join(root, 'staging/half/trash-1-00'), '');
    expect(leftovers(root, true)).toEqual(['trash-1-00']);
  });

  describe('in a trace: said before it lasts', () => {
    const tmp = '/r/journal.json.tmp';
    const [create, fill, sync, name, last] = [
      `openat(AT_FDCWD</>, "${tmp}", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0644) = 18<${tmp}>`, `write(18<${tmp}>, ""..., 10) = 10`, `fsync(18<${tmp}>) = 0`,
      `rename("${tmp}", "/r/journal.json") = 0`, 'fsync(19</r>) = 0',
    ];
    const said = 'access("/said/done 2 open", F_OK) = -1 ENOENT (No such file or directory)';
    const rows: [what: string, trace: string[], told: RegExp | undefined][] = [
      ['nothing', [create, fill, sync, name, last, said], undefined],
      ['no fsync of the file', [create, fill, name, last, said], /journal.json was fsynced/],
      ['no fsync of the directory', [create, fill, sync, name, said], /before \/r was fsynced/],
      ['fsync before the last write', [create, sync, fill, name, last, said], /journal.json was fsynced/],
      ['fsync of the directory before the rename', [create, fill, sync, last, name, said], /before \/r was fsynced/],
      ['an fsync that failed, and then one that did not', [create, fill, `fsync(18<${tmp}>) = -1 EIO (Input/output error) (INJECTED)`, sync, name, last, said], /not written anew/],
      ['written anew after an fsync that failed', [create, fill, `fsync(18<${tmp}>) = -1 EIO (Input/output error)`, create, fill, sync, name, last, said], undefined],
    ];
    test.each(rows)('%s', (_what, trace, told) => {
      const found = new Durability('/r').follow(trace).join('\n');
      if (told === undefined) expect(found).toBe('');
      else expect(found).toMatch(told);
    });
  });
});
