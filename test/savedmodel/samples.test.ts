import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkSavedModel } from '../../src/savedmodel/check';

const SAMPLES = join(__dirname, '../data/savedmodels');
const dirs = readdirSync(SAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
  .flatMap((entry) => readdirSync(join(SAMPLES, entry.name)).map((version) => join(entry.name, version)));
const valid = dirs.filter((dir) => existsSync(join(SAMPLES, dir, 'saved_model.pb')));

test('there is something to check', () => {
  expect({ all: dirs.length, valid: valid.length }).toEqual({ all: 17, valid: 13 });
});

test.each(valid)('a model the server is tested with raises no alarm: %s', async (dir) => {
  const report = await checkSavedModel(join(SAMPLES, dir));
  expect(report).toMatchObject({ ok: true });
});

test('what is unusual but loads is a warning', async () => {
  expect((await checkSavedModel(join(SAMPLES, 'saved_model_counter/00000123'))).warnings.map(({ check, message }) => `${check}: ${message}`))
    .toEqual(['signature: there is no signature serving_default; found get_counter, incr_counter_by, incr_counter, reset_counter']);
  expect((await checkSavedModel(join(SAMPLES, 'saved_model_half_plus_two_cpu_with_saved_model_config/00000123'))).warnings.map(({ check, path }) => ({ check, path })))
    .toEqual([{ check: 'assets', path: 'assets/foo.txt' }]);
});

test('a session bundle of before SavedModel is refused by its mark', async () => {
  expect(await checkSavedModel(join(SAMPLES, 'bad_half_plus_two/00000123'))).toEqual({
    ok: false, warnings: [],
    findings: [{ check: 'layout', path: 'export.meta', message: 'a legacy session bundle: the server answers "Session Bundle is deprecated and removed."' }],
  });
});

test.each(dirs.filter((dir) => dir.includes('tflite')))('a TensorFlow Lite model is not a SavedModel, and is named: %s', async (dir) => {
  expect(await checkSavedModel(join(SAMPLES, dir))).toMatchObject({
    ok: false, findings: [{ check: 'layout', path: 'saved_model.pb', message: expect.stringContaining('found model.tflite') }],
  });
});

test('an empty or missing directory is not a SavedModel', async () => {
  expect(await checkSavedModel(join(SAMPLES, 'nowhere'))).toMatchObject({ ok: false, findings: [{ check: 'layout', path: 'saved_model.pb' }] });
});

test('another tag set than the graph has is refused, naming what is there', async () => {
  expect(await checkSavedModel(join(SAMPLES, 'matrix_half_plus_two/1'), { tags: ['serve', 'gpu'] })).toMatchObject({
    ok: false, findings: [{ check: 'tags', message: 'no meta graph has exactly the tags { gpu serve }; found { serve }' }],
  });
});

test('an aborted check ends with the reason given', async () => {
  const reason = new Error('a newer attempt');
  await expect(checkSavedModel(join(SAMPLES, 'saved_model_counter/00000123'), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
