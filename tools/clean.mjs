// Removes what an earlier build left, so that a file that is gone from src is gone from lib.
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';

rmSync(resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..', 'lib'), { recursive: true, force: true });
