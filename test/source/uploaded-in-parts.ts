// Objects as real clients upload large ones: in parts, with each of the checksums a server may keep of them. On a real server, whose own sums they are.

import { mkdtempSync, writeFileSync } from 'node:fs';
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
import type { S3UnderTest } from './s3-suite';

/** The least a server takes but for the last. */
const PART = 5 * 1024 * 1024;

export function uploadedInParts(start: () => Promise<S3UnderTest>, startTimeoutMs: number): void {
  describe('objects that were uploaded in parts', () => {
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

    async function upload(prefix: string, checksum: ChecksumAlgorithm): Promise<void> {
      const object = { Bucket: 'models', Key: `${prefix}/1/big` };
      const { UploadId } = await s3.client.send(new CreateMultipartUploadCommand({ ...object, ChecksumAlgorithm: checksum }));
      const parts = await Promise.all([1, 2, 3].map(async (PartNumber) => {
        const { ETag, ChecksumSHA256, ChecksumCRC32C, ChecksumCRC64NVME } = await s3.client.send(new UploadPartCommand({ ...object, UploadId, PartNumber, Body: Buffer.alloc(PartNumber === 3 ? 777 : PART, PartNumber), ChecksumAlgorithm: checksum }));
        return { PartNumber, ETag, ChecksumSHA256, ChecksumCRC32C, ChecksumCRC64NVME };
      }));
      await s3.client.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts: parts } }));
    }

    test.each<[ChecksumAlgorithm, string]>([['SHA256', 'checksum sha256'], ['CRC32C', 'checksum crc32c'], ['CRC64NVME', 'checksum crc64nvme']])('%s', async (checksum, authority) => {
      await upload(checksum, checksum);
      const ref = refTo(checksum);
      const listing = await listSource(ref, { signal, credentialsDir });
      const [file] = await fetchFiles(ref, listing, mkdtempSync(join(tmpdir(), 'segue-parts-')), { signal, sockets: new SocketLedger(), credentialsDir });
      expect(file).toMatchObject({ size: 2 * PART + 777, authority });
    });
  });
}
