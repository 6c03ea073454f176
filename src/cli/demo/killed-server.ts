// Step 5: a model server dies and comes back by its boot file alone.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toJson } from '@bufbuild/protobuf';
import { fromText } from '@bufbuild/protobuf/txtpb';
import type { ModelName, ServerName } from '../../domain/names';
import { ModelServerConfigSchema } from '../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import { ServingClient } from '../../serving/client';
import { SERVERS } from './fleet-of-processes';
import type { Load } from './load';
import { MODEL, type DemoModels } from './models';
import { listedVersions, statsOf } from './simulators';
import type { Stage } from './stage';
import { until } from './until';
import { MIN_ANSWERS } from './verdicts';

/** A server that needs longer does not come back by itself. */
const BACK_DEADLINE_MS = 60_000;

/** Returns what the server had counted before it was killed: its successor begins at nothing. */
export async function killedServer({ fleet, rollouts, say, signal, facts }: Stage, { v3 }: DemoModels, load: Load): Promise<{ readonly server: ServerName; readonly received: number }> {
  const server = SERVERS[0] as ServerName;
  const { address, root, statsUrl } = fleet.servers.get(server) ?? { address: '', root: '', statsUrl: '' };
  say(`\n5. The model server of ${server} is killed (SIGKILL) and started again from its boot file. Its clients leave before.`);
  await load.pause(server);
  const clientsLeftAtMs = Date.now();
  const { predictions } = await statsOf(statsUrl);
  const bootFileVersions = versionsInBootFile(join(root, 'boot.config'));
  await fleet.killSimulator(server);
  const killedAtMs = Date.now();
  await fleet.startSimulator(server);
  const serving = new ServingClient(address);
  try {
    await until(async () => {
      const status = await serving.status(MODEL as ModelName);
      return status !== 'unknown model' && status.get(v3.version)?.state === 'AVAILABLE' ? true : undefined;
    }, { what: `${server} to serve version 3 again`, deadlineMs: BACK_DEADLINE_MS, signal });
  } finally {
    serving.close();
  }
  const answeredAtMs = Date.now();
  const before = load.answered(server, v3.version);
  load.resume(server);
  const clientsBackAtMs = Date.now();
  await until(() => (load.answered(server, v3.version) - before >= MIN_ANSWERS ? true : undefined), { what: `right answers of ${server}`, deadlineMs: 10_000, signal }).catch(() => undefined);
  say(`   gone for ${answeredAtMs - killedAtMs} ms; its clients were away for ${clientsBackAtMs - clientsLeftAtMs} ms`);
  const rolloutsInAll = await rollouts.count();
  facts.restart = {
    server, clientsLeftAtMs, killedAtMs, answeredAtMs, clientsBackAtMs, bootFileVersions, answeredAfter: load.answered(server, v3.version) - before,
    rolloutsInAll, rolloutsStarted: [facts.v1, facts.v2, facts.v3, facts.broken].filter((one) => one !== undefined).length,
  };
  return { server, received: predictions.received };
}

/** The text format TensorFlow Serving reads at its start. */
function versionsInBootFile(path: string): readonly string[] {
  const config = fromText(ModelServerConfigSchema, readFileSync(path, 'utf8'));
  return listedVersions({ config: toJson(ModelServerConfigSchema, config, { useProtoFieldName: true }) }, MODEL);
}
