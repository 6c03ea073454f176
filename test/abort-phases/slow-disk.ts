// A disk that does not answer: one operation on one path is held until it is let go. The agent runs in this process, so what it asks of the disk passes here.

import fs from 'node:fs';
import promises from 'node:fs/promises';
import { PassThrough } from 'node:stream';

export interface Held {
  /** Somebody asked, and waits. */
  readonly asked: () => boolean;
  readonly release: () => void;
}

/** Reading a whole file, as hashing does. */
export function holdRead(where: (path: string) => boolean): Held {
  const original = fs.createReadStream;
  let asked = false;
  fs.createReadStream = ((path: fs.PathLike, options: object) => {
    if (!where(String(path))) return original(path, options);
    asked = true;
    return new PassThrough(); // Never a byte, never an end.
  }) as typeof fs.createReadStream;
  return { asked: () => asked, release: () => { fs.createReadStream = original; } };
}

/** Opening a file to read it, as checking a SavedModel does. */
export function holdOpen(where: (path: string) => boolean): Held {
  const original = promises.open;
  const gate = newGate();
  promises.open = (async (path: fs.PathLike, ...rest: []) => {
    if (where(String(path))) await gate.pass();
    return original(path, ...rest);
  }) as typeof promises.open;
  return { asked: gate.asked, release: () => { promises.open = original; gate.open(); } };
}

/** A rename to this path, as staging does. */
export function holdRename(where: (to: string) => boolean): Held {
  const original = promises.rename;
  const gate = newGate();
  promises.rename = async (from, to) => {
    if (where(String(to))) await gate.pass();
    return original(from, to);
  };
  return { asked: gate.asked, release: () => { promises.rename = original; gate.open(); } };
}

function newGate(): { readonly pass: () => Promise<void>; readonly open: () => void; readonly asked: () => boolean } {
  let asked = false;
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => { open = resolve; });
  return { pass: () => { asked = true; return opened; }, open: () => open(), asked: () => asked };
}
