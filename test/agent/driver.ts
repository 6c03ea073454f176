// A process for crash.test.ts: an agent and the planner's loop, killed by itself in the middle of a step. Not a test.

import { startAgent } from '../../src/agent/agent';
import type { Attempt } from '../../src/domain/host';
import type { FleetName, ModelName, ServerName, Version } from '../../src/domain/names';
import { nextStep } from '../../src/domain/transition';
import { servedBefore } from '../../src/domain/view';

interface Order {
  readonly root: string;
  readonly serving: string;
  readonly endpoint: string;
  readonly version: string;
  /** Dies so many milliseconds after this step began. */
  readonly dieIn?: { readonly step: string; readonly afterMs: number };
}

async function drive(order: Order): Promise<void> {
  const version = order.version as Version;
  const where = { fleet: 'demo' as FleetName, server: 'edge-a' as ServerName };
  const model = 'half' as ModelName;
  const call = { signal: new AbortController().signal, heartbeat: () => undefined };
  const agent = await startAgent({ ...where, root: order.root, serving: order.serving, pollSeconds: 0.2 });
  const source = { uri: `s3://models/half/${version}/`, endpoint: order.endpoint, region: 'us-east-1', credentials: 'anonymous' };
  const { pin } = await agent.resolveSource({ ...where, model, version, source }, call);
  let attempt: Attempt = { ...where, model, token: [Number(version), 1], version, source, pin, retain: [] };
  const began = (step: string): void => {
    console.log(step);
    if (order.dieIn?.step === step) setTimeout(() => process.kill(process.pid, 'SIGKILL'), order.dieIn.afterMs);
  };
  began('beginAttempt');
  let view = await agent.beginAttempt(attempt, call);
  const before = servedBefore(view, attempt.token)?.version;
  attempt = { ...attempt, retain: before === undefined ? [] : [before] }; // As the transition asks, in every later step.
  for (;;) {
    const next = nextStep({ version, pin, mode: 'availability' }, view);
    if (next.kind !== 'step') break;
    began(next.step);
    switch (next.step) {
      case 'awaitAvailable': view = await agent.awaitAvailable({ attempt, version: next.version, loadDeadlineSeconds: 20 }, call); break;
      case 'drainVersion': view = await agent.drainVersion({ attempt, version: next.version, drainSeconds: 0.05 }, call); break;
      case 'unloadVersion': view = await agent.unloadVersion({ attempt, version: next.version, unloadDeadlineSeconds: 20 }, call); break;
      default: view = await agent[next.step](attempt, call);
    }
  }
  await agent.close();
  console.log('done');
}

drive(JSON.parse(process.argv[2] ?? '{}') as Order).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
