// Our own loopback endpoint: what the simulator counted and what no RPC of the real server shows. Never part of what Segue relies on.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toJson, type JsonValue } from '@bufbuild/protobuf';
import { ModelServerConfigSchema, type ModelServerConfig } from '../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import type { PredictionCounts } from './counts';

export interface Stats {
  readonly pid: number;
  readonly predictions: PredictionCounts;
  /** The list the server remembers. */
  readonly config: JsonValue;
  /** Handles that requests hold at this moment. */
  readonly handlesHeld: number;
  /** Handlers that have not returned. */
  readonly busyThreads: number;
  /** A reload holds the config lock. */
  readonly reloading: boolean;
  /** HandleReloadConfigRequest calls that reached the server, whatever it answered. */
  readonly reloads: number;
}

export interface StatsSource {
  counts(): PredictionCounts;
  config(): ModelServerConfig;
  handlesHeld(): number;
  busyThreads(): number;
  reloading(): boolean;
  reloads(): number;
}

export function statsOf(source: StatsSource): Stats {
  return {
    pid: process.pid,
    predictions: source.counts(),
    config: toJson(ModelServerConfigSchema, source.config(), { useProtoFieldName: true }),
    handlesHeld: source.handlesHeld(),
    busyThreads: source.busyThreads(),
    reloading: source.reloading(),
    reloads: source.reloads(),
  };
}

/** GET / answers the Stats as JSON. Resolves with the server and its port. */
export function serveStats(source: StatsSource, port: number): Promise<{ server: Server; port: number }> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify(statsOf(source))}\n`);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve({ server, port: (server.address() as AddressInfo).port }));
  });
}
