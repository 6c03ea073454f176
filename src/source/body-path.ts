// Which code carries the bodies of a source. The one place that decides it.

import type { S3Location } from './uri';

export interface BodyPath {
  readonly by: 'own' | 'sdk';
  /** For the log and for `segue fetch`. */
  readonly why: string;
}

/** Our own connections (own-download.ts) wherever they can; the SDK's (sdk-download.ts) where only it can. */
export function bodyPathFor({ bucket }: S3Location, environment: Readonly<Record<string, string | undefined>> = process.env): BodyPath {
  const asked = environment['SEGUE_BODY_PATH'];
  if (asked === 'sdk' || asked === 'own') return { by: asked, why: `SEGUE_BODY_PATH=${asked}` };
  // Directory buckets are read with credentials of a session, which the SDK makes and renews by itself.
  if (bucket.endsWith('--x-s3')) return { by: 'sdk', why: 'a directory bucket is read in sessions' };
  // Node's own clients go through the proxy then; a connection of ours would go around it.
  if (environment['NODE_USE_ENV_PROXY'] === '1') return { by: 'sdk', why: 'NODE_USE_ENV_PROXY=1: connections go through a proxy' };
  return { by: 'own', why: 'own connections' };
}
