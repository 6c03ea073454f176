// Where a source is: s3://bucket/prefix/ and the base URL of its endpoint. Parsed once; nothing else takes such text apart.

import { endpointAllowed } from '../domain/endpoints';
import { fail } from '../domain/failures';
import { isArchive, type SourceRef } from '../domain/source';

export interface S3Location {
  readonly bucket: string;
  /** Ends in `/`, or is empty for a whole bucket. */
  readonly prefix: string;
  /** The one object meant, where the URI names an archive. */
  readonly key?: string;
}

/** S3's own limit for a key; a prefix is the beginning of one. */
const MAX_PREFIX_BYTES = 1024;
/** Wider than AWS (which wants lower case today): older buckets and other servers have more. Nothing that could change the URL. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;
// oxlint-disable-next-line no-control-regex -- control characters are what this refuses
const CONTROL = /[\u0000-\u001f\u007f]/;

/** `s3://bucket/prefix` with the trailing slash implied, or `s3://bucket/prefix/0002.zip`. Throws InvalidInput at `$.source.uri`. */
export function parseS3Uri(uri: string): S3Location {
  const refuse = (why: string): never => {
    throw fail('InvalidInput', `source.uri ${JSON.stringify(uri)}: ${why}; want s3://BUCKET/PREFIX/`, { path: '$.source.uri', found: uri });
  };
  const parts = /^s3:\/\/([^/]*)(?:\/([^]*))?$/.exec(uri);
  if (!parts) return refuse('not an s3:// URI');
  const bucket = parts[1] ?? '';
  const rest = parts[2] ?? '';
  if (!BUCKET.test(bucket)) return refuse(bucket === '' ? 'it names no bucket' : `${JSON.stringify(bucket)} is not the name of a bucket`);
  if (CONTROL.test(rest)) return refuse('it contains a control character');
  if (rest.startsWith('/') || rest.includes('//')) return refuse('it has an empty path segment');
  const key = isArchive(rest) ? { key: rest } : {};
  const prefix = 'key' in key ? rest.slice(0, rest.lastIndexOf('/') + 1) : rest === '' || rest.endsWith('/') ? rest : `${rest}/`;
  if (Buffer.byteLength(rest) >= MAX_PREFIX_BYTES) return refuse(`its prefix is longer than ${MAX_PREFIX_BYTES} bytes`);
  return { bucket, prefix, ...key };
}

/** The base URL of an endpoint. Throws InvalidInput at `$.source.endpoint`; the text is not repeated where it may hold a password. */
export function parseEndpoint(endpoint: string): URL {
  const refuse = (why: string, found: string): never => {
    throw fail('InvalidInput', `source.endpoint ${JSON.stringify(found)}: ${why}; want http(s)://HOST[:PORT]`, { path: '$.source.endpoint', found });
  };
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (!url) return refuse('not a URL', endpoint.includes('@') ? '…' : endpoint);
  if (url.username !== '' || url.password !== '') return refuse('credentials do not belong into a URL; name them by source.credentials', url.host);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refuse(`${url.protocol.slice(0, -1)} is not http or https`, url.href);
  if (url.search !== '' || url.hash !== '') return refuse('it has a query or a fragment', url.href);
  return url;
}

/** Throws EndpointNotAllowed, naming what would be. No socket exists yet. */
export function requireEndpointAllowed(ref: SourceRef, allowList: readonly string[]): void {
  if (endpointAllowed(ref.endpoint, allowList)) return;
  throw fail('EndpointNotAllowed', `source.endpoint ${endpointOf(ref)} is not one this agent accepts: want one of ${allowList.join(', ')}`, {
    path: '$.source.endpoint',
    found: endpointOf(ref),
    wanted: allowList,
  });
}

/** For messages: the endpoint's origin, or AWS's own by its region. */
export function endpointOf(ref: SourceRef): string {
  return ref.endpoint === undefined ? `AWS S3 in ${ref.region}` : parseEndpoint(ref.endpoint).href.replace(/\/$/, '');
}
