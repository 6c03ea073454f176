// What a manifest.json looks like. Apart from manifest.ts, because a source without one has no use for it.

import { z } from 'zod';
import { MAX_FILES } from './file-count';

export const MANIFEST = z.strictObject({
  files: z
    .array(
      z.strictObject({
        path: z.string(),
        size: z.int().nonnegative(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/, 'want 64 lower-case hex digits'),
      }),
    )
    .min(1)
    .max(MAX_FILES),
});
