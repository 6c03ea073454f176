// An S3 server that stops taking connections: its process is stopped, and its queue of connections full, so that the kernel answers no SYN.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseTcpTable } from '../../src/cli/demo/proc';
import { HALF_PLUS_THREE, SAMPLES } from '../integration/world';
import { until } from '../setup/until';

/** State of a row of /proc/net/tcp (include/net/tcp_states.h). */
const SYN_SENT = '02';
/** More than Node's and the kernel's queue of connections. */
const FILLERS_AT_ONCE = 128;

export interface DeafStore {
  readonly url: string;
  readonly put: (prefix: string) => Promise<void>;
  readonly turnDeaf: () => Promise<void>;
  /** Connections to it whose first packet nobody answered. */
  readonly connecting: () => number;
  readonly stop: () => Promise<void>;
}

export async function startDeafStore(): Promise<DeafStore> {
  const root = mkdtempSync(join(tmpdir(), 'segue-deaf-'));
  const child = spawn(process.execPath, ['-r', resolve(__dirname, '../../tools/ts.cjs'), join(__dirname, 'store-process.ts'), '--root', root], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { url } = JSON.parse(line.toString()) as { url: string };
  const port = Number(new URL(url).port);
  const rows = (): readonly string[] => parseTcpTable(readFileSync('/proc/self/net/tcp', 'latin1')).filter((row) => row.remotePort === port).map(({ state }) => state);
  const connecting = (): number => rows().filter((state) => state === SYN_SENT).length;
  const fillers: Socket[] = [];
  return {
    url, connecting,
    put: async (prefix) => cpSync(join(SAMPLES, HALF_PLUS_THREE), join(root, 'models', prefix), { recursive: true }),
    turnDeaf: async () => {
      child.kill('SIGSTOP');
      while (connecting() === 0) {
        for (let n = 0; n < FILLERS_AT_ONCE; n += 1) fillers.push(connect(port, '127.0.0.1').on('error', () => undefined));
        await until(() => fillers.every((socket) => !socket.connecting) || connecting() > 0);
      }
      // Those that wait in vain make room for nobody: the queue stays full.
      for (const socket of fillers) if (socket.connecting) socket.destroy();
      await until(() => connecting() === 0);
    },
    stop: async () => {
      for (const socket of fillers) socket.destroy();
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
      rmSync(root, { recursive: true, force: true });
    },
  };
}
