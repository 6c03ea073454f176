// The S3 server as a process of its own: started by `segue dev` and the demo, steered and read over HTTP.

import { parseArgs } from 'node:util';
import { startS3 } from './server';
import type { S3Server } from './server';

export const S3_USAGE = `usage: --port PORT [--host 127.0.0.1] [--root DIRECTORY] [--access-key ID --secret-key SECRET]
  --port 0 takes any free port; the first line printed is {"url": "http://…"}
  GET /_segue/log              every request so far: time, key, range, status, bytes sent, when the connection closed
  POST /_segue/faults          add a rule, such as {"key": "*saved_model.pb", "times": 1, "fault": {"kind": "stall", "afterBytes": 1000}}
  DELETE /_segue/faults        clear them`;

/** Prints one line of JSON with the URL once it listens; runs until SIGTERM or SIGINT. Throws for arguments it does not know. */
export async function runS3(argv: readonly string[]): Promise<S3Server> {
  const { values } = parseArgs({
    args: [...argv],
    options: { port: { type: 'string', default: '0' }, host: { type: 'string' }, root: { type: 'string' }, 'access-key': { type: 'string' }, 'secret-key': { type: 'string' } },
  });
  const port = Number(values.port);
  const { host, root, 'access-key': accessKeyId, 'secret-key': secretAccessKey } = values;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`--port ${values.port}: want 0 to 65535\n${S3_USAGE}`);
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) throw new Error(`--access-key and --secret-key belong together\n${S3_USAGE}`);
  const server = await startS3({
    port,
    ...(host === undefined ? {} : { host }),
    ...(root === undefined ? {} : { root }),
    ...(accessKeyId === undefined || secretAccessKey === undefined ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  });
  process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void server.stop());
  return server;
}
