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

// In CI the absence of one is a failure of its suite's own start; elsewhere it is said, and nothing pretends to have run.
for (const { name, canHave, start, needs } of [
  { name: 'versitygw', canHave: canHaveVersitygw, start: async () => startVersitygw(await findVersitygw()), needs: 'the binary (SEGUE_VERSITYGW, PATH, cache) nor Go' },
  { name: 'SeaweedFS', canHave: canHaveSeaweedFs, start: async () => startSeaweedFs(await findSeaweedFs()), needs: 'the binary (SEGUE_WEED, PATH, cache) nor Python on Linux' },
]) {
  if (canHave() || process.env['CI']) {
    s3Suite(name, start, BUILD_TIMEOUT_MS);
    uploadedInParts(name, start, BUILD_TIMEOUT_MS);
  } else {
    test(`NOT RUN against ${name}: neither ${needs} is on this machine`, () => {
      process.stderr.write(`The S3 suite did not run against ${name}: neither ${needs} is here. With CI set this fails.\n`);
    });
  }
}
