// Records the histories for the replay gate anew, from the integration scenarios on the real dev server. Run it only when a change of workflow code is meant to break replay.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
rmSync(join(root, 'test', 'histories'), { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [join(root, 'node_modules', 'jest', 'bin', 'jest.js'), 'test/integration'], { cwd: root, stdio: 'inherit', env: { ...process.env, SEGUE_RECORD: '1' } });
process.exitCode = status ?? 1;
