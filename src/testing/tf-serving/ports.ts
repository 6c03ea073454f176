// The ports of one simulated server: opened together when the initial models are up, closed together at once.

import type { Server as HttpServer } from 'node:http';
import type { Server } from '@grpc/grpc-js';
import type { ServerCore } from './core';
import { bind, createGrpcServer, type Method } from './grpc';
import { addHealthService } from './health';
import type { PredictableServable } from './prediction-service';
import { serveRest } from './rest';
import type { SimulatorSettings } from './settings';
import { serveStats, type StatsSource } from './stats';
import type { ThreadCap } from './thread-cap';

export interface Ports {
  /** gRPC over TCP; 0 without. */
  readonly port: number;
  readonly socketPath: string | undefined;
  readonly restPort: number | undefined;
  readonly statsPort: number | undefined;
  close(): void;
}

/** Opens all or none. */
export async function openPorts(
  settings: SimulatorSettings, core: ServerCore<PredictableServable>, methods: readonly Method[], threads: ThreadCap, stats: StatsSource,
): Promise<Ports> {
  const servers: Server[] = [];
  const httpServers: HttpServer[] = [];
  const close = (): void => {
    for (const server of servers) server.forceShutdown();
    for (const server of httpServers) {
      server.close();
      server.closeAllConnections();
    }
  };
  const listen = async (address: string): Promise<number> => {
    const server = createGrpcServer(methods, threads);
    if (settings.enableGrpcHealthcheckService) addHealthService(server);
    servers.push(server);
    return bind(server, address, (text) => settings.log.error(text));
  };
  const listenHttp = async (starting: Promise<{ server: HttpServer; port: number }>): Promise<number> => {
    const { server, port } = await starting;
    httpServers.push(server);
    return port;
  };
  try {
    const port = settings.port === undefined ? 0 : await listen(`${settings.bindAddress}:${settings.port}`);
    if (settings.socketPath !== undefined) await listen(`unix:${settings.socketPath}`);
    const restPort = wantsRest(settings, port) ? await listenHttp(serveRest(core, settings.bindAddress, settings.restPort)) : undefined;
    const statsPort = settings.statsPort === undefined ? undefined : await listenHttp(serveStats(stats, settings.statsPort));
    return { port, socketPath: settings.socketPath, restPort, statsPort, close };
  } catch (error) {
    close();
    throw error;
  }
}

function wantsRest(settings: SimulatorSettings, grpcPort: number): settings is SimulatorSettings & { restPort: number } {
  if (settings.restPort === undefined) return false;
  if (settings.restPort === 0 || settings.restPort !== grpcPort) return true;
  settings.log.error('server_options.http_port cannot be same as grpc_port. Please use a different port for HTTP/REST API. Skipped exporting HTTP/REST API.');
  return false;
}
