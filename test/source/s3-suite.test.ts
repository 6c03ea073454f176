// The S3 suite on the kit's own server, and on real ones.

import { canHaveSeaweedFs, findSeaweedFs, startSeaweedFs } from '../setup/seaweedfs';
import { canHaveVersitygw, findVersitygw, startVersitygw } from '../setup/versitygw';
import { startS3 } from '../../src/testing/s3/server';
import { s3Suite } from './s3-suite';
import { uploadedInParts } from './uploaded-in-parts';

/** A cold `go install` of versitygw. */
const BUILD_TIMEOUT_MS = 16 * 60_000;

s3Suite("the kit's S3 server", async () => {
  const credentials = { accessKeyId: 'kit', secretAccessKey: 'kit-secret' };
  const server = await startS3({ credentials });
  return { url: server.url, credentials, stop: () => server.stop() };
});

// In CI its absence is a failure of the suite's own start; elsewhere it is said, and nothing pretends to have run.
if (canHaveVersitygw() || process.env['CI']) {
  s3Suite('versitygw', async () => startVersitygw(await findVersitygw()), BUILD_TIMEOUT_MS);
  uploadedInParts('versitygw', async () => startVersitygw(await findVersitygw()), BUILD_TIMEOUT_MS);
} else {
  test('NOT RUN against versitygw: neither the binary nor Go is on this machine', () => {
    process.stderr.write('The S3 suite did not run against versitygw: neither the binary (SEGUE_VERSITYGW, PATH, cache) nor Go is here. With CI set this fails.\n');
  });
}

if (canHaveSeaweedFs() || process.env['CI']) {
  s3Suite('SeaweedFS', async () => startSeaweedFs(await findSeaweedFs()), BUILD_TIMEOUT_MS);
  uploadedInParts('SeaweedFS', async () => startSeaweedFs(await findSeaweedFs()), BUILD_TIMEOUT_MS);
} else {
  test('NOT RUN against SeaweedFS: neither the binary nor Python on Linux is on this machine', () => {
    process.stderr.write('The S3 suite did not run against SeaweedFS: neither the binary (SEGUE_WEED, PATH, cache) nor Python on Linux is here. With CI set this fails.\n');
  });
}
