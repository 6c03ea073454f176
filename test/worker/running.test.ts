import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { type Running, runningUntil, together } from '../../src/worker/running';

const root = resolve(__dirname, '../..');

test('several together end in the opposite order, once, however often they are told', async () => {
  const ends: string[] = [];
  const whole = together(['server', 'worker', 'agent'].map((name) => part(name, ends).running));
  await Promise.all([whole.stop(), whole.stop()]);
  await expect(whole.ended).resolves.toBeUndefined();
  expect(ends).toEqual(['agent', 'worker', 'server']);
});

test('when one fails the others are down before it is told', async () => {
  const ends: string[] = [];
  const [server, worker] = [part('server', ends), part('worker', ends)];
  const whole = together([server.running, worker.running]);
  worker.fail(new Error('lost its connection'));
  await expect(whole.ended).rejects.toThrow('lost its connection');
  expect(ends).toEqual(['worker', 'server']);
});

test.each([
  ['the first signal ends it gracefully', 'SIGTERM', { code: 0, said: 'cleaned up' }],
  ['Ctrl-C too', 'SIGINT', { code: 0, said: 'cleaned up' }],
] as const)('%s', async (_, signal, expected) => {
  const { child, output, ended } = runScript('Promise.resolve().then(() => { console.log("cleaned up"); end(); })');
  await output('running');
  child.kill(signal);
  await output(expected.said);
  expect(await ended).toBe(expected.code);
});

test('the second signal ends it at once, when cleaning up hangs', async () => {
  const { child, output, ended } = runScript('new Promise(() => undefined)');
  await output('running');
  child.kill('SIGTERM');
  await output('again to stop at once');
  child.kill('SIGTERM');
  expect(await ended).toBe(130);
});

function part(name: string, ends: string[]): { running: Running; fail: (error: Error) => void } {
  let end: () => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const ended = new Promise<void>((resolveEnd, reject) => {
    end = resolveEnd;
    fail = reject;
  });
  return { running: runningUntil(ended, () => { ends.push(name); end(); return Promise.resolve(); }), fail };
}

function runScript(cleanUp: string): { child: ReturnType<typeof spawn>; output: (text: string) => Promise<void>; ended: Promise<number | null> } {
  const script = `const { runningUntil, untilStopped } = require(${JSON.stringify(join(root, 'src/worker/running.ts'))});
    let end; const alive = setInterval(() => {}, 1000);
    const running = runningUntil(new Promise((done) => { end = () => { clearInterval(alive); done(); }; }), () => ${cleanUp});
    untilStopped(running, console.log); console.log('running');`;
  const child = spawn(process.execPath, ['-r', join(root, 'tools/ts.cjs'), '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  let wake: () => void = () => undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    wake();
  });
  const output = async (text: string): Promise<void> => {
    while (!said.includes(text)) await new Promise<void>((done) => { wake = done; });
  };
  return { child, output, ended: new Promise((done) => child.once('close', (code) => done(code))) };
}
