// Lets a plain `node -r` run the TypeScript sources as they are, compiled as jest.config.js compiles them.
const { transformFileSync } = require('@swc/core');

require.extensions['.ts'] = (module, filename) => {
  const { code } = transformFileSync(filename, { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' }, swcrc: false });
  module._compile(code, filename);
};
