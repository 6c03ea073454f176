// Makes lib/compile-cache.bin: what V8 compiles of our code and the SDK's while `segue fetch` fetches, so that no `segue fetch` has to compile it again.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const require = createRequire(import.meta.url);
const lib = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..', 'lib');
const into = mkdtempSync(join(tmpdir(), 'segue-compile-'));
try {
  const { startS3 } = require(join(lib, 'testing', 's3', 'server.js'));
  const s3 = await startS3({ host: '127.0.0.1' });
  // Small files and one in parts: both ways of a body. So many that what each of them runs is compiled in full.
  await s3.put('models', 'ranker/1/variables.data', Buffer.alloc(20 * 2 ** 20));
  for (let i = 0; i < 64; i++) await s3.put('models', `ranker/1/assets/${i}.txt`, `vocabulary ${i}`);
  for (const path of Object.keys(require.cache)) delete require.cache[path];
  const { COMPILE_CACHE_FILE, recordCompileCache } = require(join(lib, 'cli', 'compile-cache.js'));
  const recorded = recordCompileCache();
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' });
  const said = [];
  const code = await require(join(lib, 'cli', 'run.js')).run(['fetch', 's3://models/ranker/1/', join(into, '1'), '--endpoint', s3.url], { out: (text) => said.push(text), err: (text) => said.push(text), live: false, columns: 80 });
  if (code === 0) writeFileSync(join(lib, COMPILE_CACHE_FILE), recorded());
  else without(said.join('\n'));
  await s3.stop();
} catch (error) {
  without(error);
} finally {
  rmSync(into, { recursive: true, force: true });
}
process.exit();

/** As where nothing may listen, not even on the loopback: no reason to build nothing. */
function without(why) {
  console.warn(`lib/compile-cache.bin was not made, segue fetch starts slower without it: ${why}`);
}
