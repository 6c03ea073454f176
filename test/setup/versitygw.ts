// A real S3 server to hold ours against: versitygw, found or built, and run on a directory of its own.
// https://github.com/versity/versitygw

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { freePorts } from '../../src/worker/free-port';
import type { S3UnderTest } from '../source/s3-suite';
import { canHaveProgram, findProgram, type Program, type Say } from './program';
import { accepts, startServerProcess } from './server-process';

const VERSION = 'v1.8.0';
const MODULE = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`;
/** A cold build on two cores takes about five minutes. */
const INSTALL_TIMEOUT_MS = 15 * 60 * 1000;

const VERSITYGW: Program = {
  name: 'versitygw', variable: 'SEGUE_VERSITYGW', file: 'versitygw', folder: `versitygw-${VERSION}`, place: 'versitygw', installer: 'go',
  command: `go install ${MODULE}`, said: `building ${VERSION} with go install, once (some minutes)`, advice: 'Install Go',
  async install(folder) { await promisify(execFile)('go', ['install', MODULE], { env: { ...process.env, GOBIN: folder }, timeout: INSTALL_TIMEOUT_MS }); },
};

export const findVersitygw = (say?: Say): Promise<string> => findProgram(VERSITYGW, say);
export const canHaveVersitygw = (): boolean => canHaveProgram(VERSITYGW);

/** On a free port of the loopback, posix backend. */
export async function startVersitygw(binary: string): Promise<S3UnderTest> {
  const credentials = { accessKeyId: 'segue-test', secretAccessKey: 'segue-test-secret' };
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const { stop } = await startServerProcess('versitygw', binary, (root) => ['--port', address, '--keep-alive', '--quiet', 'posix', root], () => accepts(port), { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey });
  return { url: `http://${address}`, credentials, stop };
}
