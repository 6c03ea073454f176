// The S3 kit as a process that can be stopped by the kernel.

import { runS3 } from '../../src/testing/s3/main';

runS3(process.argv.slice(2)).catch((error: unknown) => { console.error(error); process.exitCode = 1; });
