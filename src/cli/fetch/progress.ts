// How far a fetch is: a bar rewritten in place on a terminal, one line a second elsewhere.

import type { Terminal } from '../terminal';

const BAR_COLUMNS = 24;
const LIVE_EVERY_MS = 200;
const LINE_EVERY_MS = 1_000;
/** The rate is that of the last seconds: what it was at the start says nothing about when it will be over. */
const WINDOW_MS = 5_000;

export class FetchProgress {
  readonly #of: number;
  readonly #terminal: Terminal;
  readonly #timer: NodeJS.Timeout;
  readonly #seen: { readonly atMs: number; readonly bytes: number }[] = [];
  #bytes = 0;

  /** @param of bytes in all. Written to stderr, so that stdout is the result alone. */
  constructor(of: number, terminal: Terminal) {
    this.#of = of;
    this.#terminal = terminal;
    this.#timer = setInterval(() => this.#tell(), terminal.live ? LIVE_EVERY_MS : LINE_EVERY_MS);
    this.#timer.unref();
  }

  at(bytes: number): void {
    this.#bytes = bytes;
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#terminal.live && this.#seen.length > 0) process.stderr.write('\r\u001b[K');
  }

  #tell(): void {
    const nowMs = performance.now();
    this.#seen.push({ atMs: nowMs, bytes: this.#bytes });
    while (this.#seen.length > 2 && nowMs - (this.#seen[0]?.atMs ?? nowMs) > WINDOW_MS) this.#seen.shift();
    const line = progressLine(this.#bytes, this.#of, rateOf(this.#seen));
    if (this.#terminal.live) process.stderr.write(`\r${`${bar(this.#bytes, this.#of)} ${line}`.slice(0, this.#terminal.columns - 1)}\u001b[K`);
    else this.#terminal.err(line);
  }
}

/** `512.0 of 2147.5 MB, 24 %, 730.2 MB/s, 3 s left`. @param perSecond bytes; nothing: not known yet */
export function progressLine(bytes: number, of: number, perSecond: number | undefined): string {
  const mb = (value: number): string => (value / 1e6).toFixed(1);
  const share = of === 0 ? 100 : Math.floor((bytes / of) * 100);
  const rate = perSecond === undefined ? '' : `, ${mb(perSecond)} MB/s`;
  const left = perSecond === undefined || perSecond <= 0 ? '' : `, ${Math.ceil((of - bytes) / perSecond)} s left`;
  return `${mb(bytes)} of ${mb(of)} MB, ${share} %${rate}${left}`;
}

function rateOf(seen: readonly { readonly atMs: number; readonly bytes: number }[]): number | undefined {
  const [first, last] = [seen[0], seen.at(-1)];
  if (first === undefined || last === undefined || last.atMs === first.atMs) return undefined;
  return Math.max(0, ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs));
}

function bar(bytes: number, of: number): string {
  const full = of === 0 ? BAR_COLUMNS : Math.round((bytes / of) * BAR_COLUMNS);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_COLUMNS - full)}]`;
}
