import type { Command } from 'commander';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { devPorts, requireFree } from '../../src/cli/dev-ports';
import { program } from '../../src/cli/program';
import { run } from '../../src/cli/run';
import { signatureRules, withSignatureFlags } from '../../src/cli/signature-flags';
import type { SignatureRules } from '../../src/source/signature';
import { captured } from './captured';

const KEY = join(__dirname, '../data/signed/p256.pub.pem');

test.each([
  [['--help'], 0], [['--version'], 0], [['rollout', '--help'], 0], [['help', 'dev'], 0],
  [[], 1], [['rollout'], 1], [['rolout'], 1], [['worker', '--adress', 'x'], 1], [['rollout', 'abort', 'id'], 1],
  [['rollout', 'watch', 'id', '--timeout', 'soon'], 1], [['rollout', 'status', 'id', '-o', 'yaml'], 1],
  [['agent', '--fleet', 'a/b', '--server', 's', '--root', '/x', '--serving', 'h:1'], 1],
  [['agent', '--fleet', 'f', '--server', 's', '--root', '/x', '--serving', 'nowhere'], 1],
  [['agent', '--fleet', 'f', '--server', 's', '--root', '/x', '--serving', 'h:1', '--trusted-key', '/nowhere.pem'], 1],
  [['agent', '--fleet', 'f', '--server', 's', '--root', '/x', '--serving', 'h:1', '--signatures', 'half=sometimes'], 1],
  [['agent', '--fleet', 'f', '--server', 's', '--root', '/x', '--serving', 'h:1', '--signatures', 'require'], 1],
  [['verify', '.', '--trusted-key', join(__dirname, '../data/signed/p256.pub.pem')], 1],
  [['dev', '--port-base', '70000'], 1],
  [['fleet'], 1], [['fleet', '--help'], 0], [['fleet', 'get'], 1], [['fleet', 'get', 'a/b'], 1], [['fleet', 'retire', 'demo'], 1], [['fleet', 'watch', 'demo', '--timeout', 'soon'], 1],
  [['rollout', 'resume', 'id', '--reason', 'none is taken'], 1],
])('segue %j ends with %i and says something', async (args, code) => {
  const ended = await captured((terminal) => run(args, terminal));
  expect(ended.code).toBe(code);
  expect(ended.out + ended.err).not.toBe('');
  expect(ended.err).not.toContain('a bug');
});

test.each<[string[], SignatureRules | undefined]>([
  [[], undefined],
  [['--trusted-key', KEY], { keys: [], otherwise: 'prefer', byModel: new Map() }],
  [['--trusted-key', KEY, '--signatures', 'off', '--signatures', 'ranker=require'], { keys: [], otherwise: 'off', byModel: new Map([['ranker', 'require']]) }],
])('signature flags %j', (flags, rules) => {
  const read = signatureRules(withSignatureFlags(program().createCommand()).parse(flags, { from: 'user' }).opts());
  expect(read === undefined ? undefined : { ...read, keys: [] }).toEqual(rules);
  expect(read?.keys.length).toBe(rules === undefined ? undefined : 1);
});

test.each([['rolout', 'Did you mean rollout?'], ['rollout strat', 'Did you mean start?'], ['rollout start --flet x', 'Did you mean --fleet?']])('%s: %s', async (line, suggestion) => {
  expect((await captured((terminal) => run(line.split(' '), terminal))).err).toContain(suggestion);
});

test("a model's --version is not a question for ours", async () => {
  const { out, err } = await captured((terminal) => run(['rollout', 'start', '--version', '2'], terminal));
  expect(out).not.toMatch(/^\d+\.\d+\.\d+$/);
  expect(err).toContain('InvalidInput');
});

test.each(leaves(program()).map((command) => [pathOf(command), command] as const))('%s --help has an example that begins with its name', async (path, command) => {
  const { out } = await captured((terminal) => run([...path.split(' ').slice(1), '--help'], terminal));
  expect(out).toContain(`$ ${path}`);
  expect(command.description()).not.toBe('');
});

test('a port in use is named with what it is for, and how to take others; nothing was started', async () => {
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  const { port } = other.address() as AddressInfo;
  const { code, err } = await captured((terminal) => run(['dev', '--port-base', String(port - 2)], terminal));
  other.close();
  expect(code).toBe(1);
  expect(err).toContain(`${port} (S3)`);
  expect(err).toContain('--port-base');
});

test('the usual ports, and a row from a base', async () => {
  expect(devPorts()).toEqual({ temporal: 7233, ui: 8233, s3: 9000, simulators: [8500, 8501, 8502] });
  expect(devPorts(17000)).toEqual({ temporal: 17000, ui: 17001, s3: 17002, simulators: [17003, 17004, 17005] });
  await expect(requireFree({ temporal: 0, ui: 0, s3: 0, simulators: [] })).resolves.toBeUndefined();
});

function leaves(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
