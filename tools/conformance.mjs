// `npm run -s conformance -- DIR…`. Compiles first where the compiled simulator is missing or older than its source.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const root = resolve(new URL('.', import.meta.url).pathname, '..');
const main = join(root, 'lib', 'testing', 'tf-serving', 'conformance', 'main.js');
const source = join(root, 'src', 'testing', 'tf-serving');
const newest = Math.max(...readdirSync(source, { recursive: true }).map((name) => statSync(join(source, String(name))).mtimeMs));
const compiled = statSync(main, { throwIfNoEntry: false })?.mtimeMs ?? 0;
// A type error elsewhere does not keep the simulator from being compiled; `npm run typecheck` is where it shows.
if (compiled < newest) spawnSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'ignore' });

const { runConformance } = createRequire(import.meta.url)(main);
process.exitCode = await runConformance(process.argv.slice(2));
