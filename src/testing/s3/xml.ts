// The few documents of S3's REST protocol that are answered here.

import type { StoredObject } from './objects';

export interface ListQuery {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly maxKeys: number;
  /** Keys after this one. */
  readonly after: string;
  readonly urlEncoded: boolean;
}

/** ListObjectsV2 over all objects of a bucket, in key order. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export function listing(query: ListQuery, objects: readonly StoredObject[]): string {
  const { prefix, delimiter, maxKeys, after } = query;
  const contents: StoredObject[] = [];
  const common = new Set<string>();
  let last = '';
  let truncated = false;
  for (const object of objects) {
    if (!object.key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length);
    const group = cut < 0 ? undefined : object.key.slice(0, cut + delimiter.length);
    // A group is one entry, which sorts by its own name.
    if (Buffer.compare(Buffer.from(group ?? object.key), Buffer.from(after)) <= 0) continue;
    if (group !== undefined && common.has(group)) continue;
    if (contents.length + common.size >= maxKeys) {
      truncated = true;
      break;
    }
    if (group === undefined) contents.push(object);
    else common.add(group);
    last = group ?? object.key;
  }
  const name = (key: string): string => (query.urlEncoded ? encodeKey(key) : escape(key));
  return document(
    'ListBucketResult',
    `<Name>${escape(query.bucket)}</Name><Prefix>${name(prefix)}</Prefix><KeyCount>${contents.length + common.size}</KeyCount><MaxKeys>${maxKeys}</MaxKeys>` +
      (delimiter === '' ? '' : `<Delimiter>${name(delimiter)}</Delimiter>`) +
      (query.urlEncoded ? '<EncodingType>url</EncodingType>' : '') +
      `<IsTruncated>${truncated}</IsTruncated>` +
      (truncated ? `<NextContinuationToken>${Buffer.from(last).toString('base64url')}</NextContinuationToken>` : '') +
      contents
        .map(
          (object) =>
            `<Contents><Key>${name(object.key)}</Key><LastModified>${new Date(object.modifiedMs).toISOString()}</LastModified>` +
            `<ETag>${escape(object.etag)}</ETag><Size>${object.size}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
        )
        .join('') +
      [...common].map((group) => `<CommonPrefixes><Prefix>${name(group)}</Prefix></CommonPrefixes>`).join(''),
  );
}

export function errorDocument(code: string, message: string, resource: string, requestId: string): string {
  return document('Error', `<Code>${code}</Code><Message>${escape(message)}</Message><Resource>${escape(resource)}</Resource><RequestId>${requestId}</RequestId>`);
}

function document(root: string, content: string): string {
  const namespace = root === 'Error' ? '' : ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace}>${content}</${root}>`;
}

/** Control characters as references, which is what S3 does and what XML 1.0 parsers choke on: the reason for encoding-type=url. */
function escape(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replace(/[&<>"\u0000-\u001f]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? `&#x${c.charCodeAt(0).toString(16)};`);
}

function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+');
}
