// Objects as real clients upload large ones: in parts, with each of the checksums a server may keep of them. On a real server, whose own sums they are.

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CompleteMultipartUploadCommand, CreateBucketCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import type { ChecksumAlgorithm } from '@aws-sdk/client-s3';
import type { SourceRef } from '../../src/domain/source';
import { fetchFiles } from '../../src/source/download';
import { listSource } from '../../src/source/listing';
import { openS3 } from '../../src/source/s3-client';
import type { S3Handle } from '../../src/source/s3-client';
import { SocketLedger } from '../../src/source/sockets';
import { damagingProxy } from './damaging-proxy';
import type { S3UnderTest } from './s3-suite';

/** The least a server takes but for the last. */
const PART = 5 * 1024 * 1024;

export function uploadedInParts(name: string, start: () => Promise<S3UnderTest>, startTimeoutMs: number): void {
  describe(`objects that were uploaded in parts to ${name}`, () => {
    const credentialsDir = mkdtempSync(join(tmpdir(), 'segue-parts-'));
    const signal = new AbortController().signal;
    let server: S3UnderTest;
    let s3: S3Handle;
    const refTo = (prefix: string): SourceRef => ({ uri: `s3://models/${prefix}/1/`, endpoint: server.url, region: 'us-east-1', credentials: 'file:good' });

    beforeAll(async () => {
      server = await start();
      writeFileSync(join(credentialsDir, 'good'), JSON.stringify(server.credentials));
      s3 = openS3(refTo('any'), { credentialsDir });
      await s3.client.send(new CreateBucketCommand({ Bucket: 'models' }));
    }, startTimeoutMs);
    afterAll(async () => {
      await s3?.close();
      await server?.stop();
    });

    async function upload(prefix: string, checksum: ChecksumAlgorithm, sizes: readonly number[]): Promise<void> {
      const object = { Bucket: 'models', Key: `${prefix}/1/big` };
      const { UploadId } = await s3.client.send(new CreateMultipartUploadCommand({ ...object, ChecksumAlgorithm: checksum }));
      const parts = await Promise.all(sizes.map(async (size, i) => {
        const PartNumber = i + 1;
        const { ETag, ChecksumSHA256, ChecksumCRC32C, ChecksumCRC64NVME } = await s3.client.send(new UploadPartCommand({ ...object, UploadId, PartNumber, Body: Buffer.alloc(size, PartNumber), ChecksumAlgorithm: checksum }));
        return { PartNumber, ETag, ChecksumSHA256, ChecksumCRC32C, ChecksumCRC64NVME };
      }));
      await s3.client.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts: parts } }));
    }

    test.each<[string, ChecksumAlgorithm, string, readonly number[]]>([
      ['SHA256', 'SHA256', 'checksum sha256', [PART, PART, 777]],
      ['CRC32C', 'CRC32C', 'checksum crc32c', [PART, PART, 777]],
      ['CRC64NVME', 'CRC64NVME', 'checksum crc64nvme', [PART, PART, 777]],
      // As many parts of the first one's length would be as many bytes: only a look at each says that they are not.
      ['SHA256 in parts of unequal length', 'SHA256', 'checksum sha256', [PART + 999, PART, PART]],
    ])('%s', async (prefix, checksum, authority, sizes) => {
      await upload(prefix, checksum, sizes);
      const ref = refTo(prefix);
      const listing = await listSource(ref, { signal, credentialsDir });
      let received = 0;
      const [file] = await fetchFiles(ref, listing, mkdtempSync(join(tmpdir(), 'segue-parts-')), { signal, sockets: new SocketLedger(), credentialsDir, onReceived: (bytes) => { received += bytes; } });
      const size = sizes.reduce((sum, bytes) => sum + bytes, 0);
      expect({ ...file, received }).toMatchObject({ size, authority, received: size });
    });

    // The parts' own sums, with which only the bad one would be, these servers keep to themselves: all of it is fetched again.
    test('one damaged on its way is noticed and fetched again, also where its parts are of unequal length', async () => {
      const sizes = [PART + 999, PART, PART];
      await upload('damaged', 'SHA256', sizes);
      const proxy = await damagingProxy(server.url, Buffer.alloc(1_000, 2));
      try {
        const ref = { ...refTo('damaged'), endpoint: proxy.url };
        let received = 0;
        const into = mkdtempSync(join(tmpdir(), 'segue-parts-'));
        const [file] = await fetchFiles(ref, await listSource(ref, { signal, credentialsDir }), into, { signal, sockets: new SocketLedger(), credentialsDir, onReceived: (bytes) => { received += bytes; } });
        const whole = Buffer.concat(sizes.map((size, i) => Buffer.alloc(size, i + 1)));
        expect({ ...file, damaged: proxy.damaged(), received }).toEqual({ path: 'big', size: whole.length, sha256: createHash('sha256').update(whole).digest('hex'), authority: 'checksum sha256', damaged: true, received: 2 * whole.length });
        expect(readFileSync(join(into, 'big')).equals(whole)).toBe(true);
      } finally {
        await proxy.stop();
      }
    });
  });
}
