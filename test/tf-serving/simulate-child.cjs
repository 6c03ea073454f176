// Runs the simulator's main from its source, as a process of its own: node simulate-child.cjs FLAGS…
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { transformSync } = require('@swc/core');

require.extensions['.ts'] = (module, filename) => {
  const options = { filename, jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } };
  module._compile(transformSync(readFileSync(filename, 'utf8'), options).code, filename);
};
const { runSimulator } = require(join(__dirname, '..', '..', 'src', 'testing', 'tf-serving', 'main.ts'));
void runSimulator(process.argv.slice(2)).then((code) => { process.exitCode = code; });
