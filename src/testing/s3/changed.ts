// An object that changed under its readers: other bytes, another ETag, the same name and size. The original stays untouched below.

import { etagOf } from './objects';
import type { Bucket, Objects, StoredObject } from './objects';

export interface ChangeableObjects extends Objects {
  /** From now on, until it is put again. */
  change(bucket: string, key: string): void;
}

export function changeable(objects: Objects): ChangeableObjects {
  const changed = new Set<string>();
  const id = (bucket: string, key: string): string => `${bucket}/${key}`;
  const seen = (name: string, object: StoredObject): StoredObject => (changed.has(id(name, object.key)) ? altered(object) : object);
  const wrap = (name: string, bucket: Bucket): Bucket => ({
    list: async () => (await bucket.list()).map((object) => seen(name, object)),
    get: async (key, versionId) => {
      const object = await bucket.get(key, versionId);
      return object && seen(name, object);
    },
    put: (key, bytes, checksums, partBytes) => {
      changed.delete(id(name, key));
      return bucket.put(key, bytes, checksums, partBytes);
    },
    delete: (key) => bucket.delete(key),
  });
  return {
    bucket: async (name) => {
      const bucket = await objects.bucket(name);
      return bucket && wrap(name, bucket);
    },
    create: async (name) => wrap(name, await objects.create(name)),
    change: (bucket, key) => void changed.add(id(bucket, key)),
  };
}

function altered(object: StoredObject): StoredObject {
  return {
    ...object,
    etag: etagOf(Buffer.from(`changed from ${object.etag}`)),
    checksums: {},
    read: async function* (from, to) {
      for await (const chunk of object.read(from, to)) yield chunk.map((byte) => byte ^ 0xff) as Buffer;
    },
  };
}
