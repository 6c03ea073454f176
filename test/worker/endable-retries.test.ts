import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

test('closing while a call waits for its retry ends the call, not the process', () => {
  const ended = spawnSync(process.execPath, ['-r', join(__dirname, '../../tools/ts.cjs'), join(__dirname, 'closing-script.cjs')], { encoding: 'utf8', timeout: 30_000 });
  expect({ status: ended.status, stderr: ended.stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(ended.stdout)).toMatchObject({ code: 14 });
});
