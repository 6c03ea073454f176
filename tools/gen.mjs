// Makes src/proto/gen from protos/. `--check` makes it beside and compares, for the test that holds the committed code to the schema.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const bin = join(root, 'node_modules', '.bin');
const out = mkdtempSync(join(tmpdir(), 'segue-gen-'));
try {
  execFileSync(join(bin, 'buf'), ['generate', '-o', out], {
    cwd: root, stdio: 'inherit', env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
  });
  const made = join(out, 'src', 'proto', 'gen');
  const kept = join(root, 'src', 'proto', 'gen');
  if (process.argv.includes('--check')) {
    const files = (dir) => readdirSync(dir, { recursive: true }).map(String).filter((name) => name.endsWith('.ts')).sort();
    const differing = [...new Set([...files(made), ...files(kept)])].filter((name) => text(join(made, name)) !== text(join(kept, name)));
    for (const name of differing) console.error(`src/proto/gen/${name} differs from what protos/ gives: run npm run gen`);
    process.exitCode = differing.length > 0 ? 1 : 0;
  } else {
    rmSync(kept, { recursive: true, force: true });
    cpSync(made, kept, { recursive: true });
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}

function text(path) {
  try { return readFileSync(path, 'utf8'); } catch { return undefined; }
}
