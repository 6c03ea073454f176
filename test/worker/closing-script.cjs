// Run by endable-retries.test.ts in a process of its own: a server that is always unavailable, a call to it, and a close while the call waits for its retry.
const { Server, ServerCredentials } = require('@grpc/grpc-js');
const { connectClient } = require('../../src/worker/connection.ts');

const bytes = (value) => value;
const method = (name) => ({ path: `/temporal.api.workflowservice.v1.WorkflowService/${name}`, requestStream: false, responseStream: false, requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes });
let calls = 0;
const server = new Server();
server.addService({ getSystemInfo: method('GetSystemInfo'), describeNamespace: method('DescribeNamespace') }, {
  getSystemInfo: (_call, answer) => answer(null, Buffer.alloc(0)),
  describeNamespace: (_call, answer) => { calls += 1; answer({ code: 14, details: 'always' }); },
});

server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) => void callAndClose(port));

async function callAndClose(port) {
  const connected = await connectClient({ address: `127.0.0.1:${port}`, namespace: 'default', connection: {} });
  const call = connected.connection.workflowService.describeNamespace({ namespace: 'default' }).catch((error) => error);
  while (calls < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await connected.close();
  const error = await call;
  server.forceShutdown();
  console.log(JSON.stringify({ calls, code: error.code }));
}
