// A process for the crash tests: the lives of versions, and a line on the standard output for each step that was acknowledged, or for the failure it ended with.
// With an order as its argument it does that once. Without one it waits for orders, one a line, so that strace can be attached to its one file-system thread first. Not a test.

import { randomUUID } from 'node:crypto';
import { readdirSync, readlinkSync, writeSync } from 'node:fs';
import { access, open, type FileHandle } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { SegueError } from '../../src/domain/failures';
import { live, openHost, type Host } from './life';

export interface Order {
  readonly root: string;
  readonly from: number;
  readonly to: number;
  /** 2: the same process once more, as an agent is told to try again after a failure; not a new start. */
  readonly attempt?: 1 | 2;
  /** fsync says yes and does nothing, for everything or for what lies in staging: the control that shows that the checks can fail. */
  readonly lyingSync?: 'all' | 'staging';
}

let host: Host | undefined;

async function write(order: Order, said: (line: string) => Promise<void>): Promise<void> {
  try {
    if (order.lyingSync !== undefined) await lieAboutSync(order.lyingSync);
    const attempt = order.attempt ?? 1;
    if (attempt === 1) host = undefined;
    host ??= await openHost(order.root);
    if (attempt === 1) await said('ready');
    for (let number = order.from; number <= order.to; number += 1) await live(host, number, attempt, (step) => said(`done ${number} ${step}`));
    await said('end');
  } catch (error) {
    const trace = (error as Error).stack?.split('\n').slice(1, 4).join(' ') ?? '';
    await said(error instanceof SegueError ? `failed ${error.code} ${error.message.replaceAll('\n', ' ')}` : `nameless ${String(error)} ${trace}`);
  }
}

async function lieAboutSync(about: 'all' | 'staging'): Promise<void> {
  const file = await open('/dev/null', 'r');
  const prototype = Object.getPrototypeOf(file) as FileHandle;
  await file.close();
  const sync: (this: FileHandle) => Promise<void> = Object.getOwnPropertyDescriptor(prototype, 'sync')?.value as FileHandle['sync'];
  prototype.sync = function lyingSync(this: FileHandle) {
    return about === 'all' || readlinkSync(`/proc/self/fd/${this.fd}`).includes('/staging/') ? Promise.resolve() : sync.call(this);
  };
}

/** Whole before the next step begins: what was not said was not acknowledged. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Also into the trace of the file-system thread, in its place among the system calls. */
async function sayTraced(line: string): Promise<void> {
  await access(`/said/${line.replaceAll('/', '|')}`).catch(() => undefined);
  say(line);
}

/** The one thread all file-system calls of this process go through (UV_THREADPOOL_SIZE=1): it begins with the first of them. */
async function fileSystemThread(): Promise<string> {
  const before = new Set(readdirSync('/proc/self/task'));
  await access('/');
  const begun = readdirSync('/proc/self/task').filter((tid) => !before.has(tid));
  if (begun.length !== 1) throw new Error(`want one new thread, found ${begun.length}`);
  return begun[0] ?? '';
}

async function obey(): Promise<void> {
  say(`thread ${await fileSystemThread()} ${randomUUID()}`);
  for await (const line of createInterface({ input: process.stdin })) {
    await write(JSON.parse(line) as Order, sayTraced);
    say('.');
  }
}

const order = process.argv[2];
void (order === undefined ? obey() : write(JSON.parse(order) as Order, async (line) => say(line)));
