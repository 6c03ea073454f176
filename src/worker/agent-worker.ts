// The agent's process: the agent itself, a worker that brings it work, and the announcer that makes the fleet know it.

import { hostname } from 'node:os';
import { Worker } from '@temporalio/worker';
import { createHostActivities } from '../activities/host';
import type { Agent } from '../agent/agent';
import { startAgent } from '../agent/agent';
import type { HeldDrainPolicy } from '../agent/held-drain';
import { fail } from '../domain/failures';
import type { Announcement } from '../domain/host';
import type { FleetName, ServerName } from '../domain/names';
import { agentQueue } from '../domain/names';
import type { SignatureRules } from '../source/signature';
import { fleetContact, keepAnnounced } from './announcer';
import type { TemporalConnections } from './native-connection';
import type { Running } from './running';
import { runningUntil } from './running';
import { superviseServer, type SupervisedServer } from './supervised-server';
import { runWorker } from './worker-run';

export interface AgentIdentity {
  readonly fleet: FleetName;
  readonly server: ServerName;
  readonly zone?: string;
  /** Endpoints this host may be sent to; empty or absent: any. */
  readonly allowEndpoints?: readonly string[];
}

export interface AgentWorkerOptions extends AgentIdentity {
  /** The directory that the model server reads: one per server, ours alone. */
  readonly root: string;
  /** The model server: `host:port` or `unix:PATH`. */
  readonly serving: string;
  /** Where `file:NAME` credentials are. */
  readonly credentialsDir?: string;
  /** Which models take only what their makers signed. Default: signatures are not looked at. */
  readonly signatures?: SignatureRules;
  /** What to do when requests in flight do not let a version go. `restart` needs `serverCommand`. */
  readonly heldDrain?: HeldDrainPolicy;
  /** The model server's program and flags: then the agent runs it, starts it again when it dies, and ends it last. */
  readonly serverCommand?: readonly string[];
  readonly shutdownGraceMs?: number;
  readonly report: (line: string) => void;
  /**
   * Connects to Temporal, for as long as it takes. The agent runs meanwhile: a model server that restarts gets back what was promoted although
   * Temporal is away (DESIGN §6). The connections are the caller's to close.
   */
  readonly connect: () => Promise<TemporalConnections>;
}

/** How many downloads run at once is limited inside the agent: a busy load must never make a host look down (DESIGN §2). */
const SLOTS = 200;
/** Heartbeats are how a cancellation arrives when the fast path (abortAttempt) does not: a second is the most it may take (Temporal reference §1.3). */
const HEARTBEAT_THROTTLE_MS = 1_000;
/** Below the thirty seconds an orchestrator grants by default, with room for the journal. */
const SHUTDOWN_GRACE_MS = 5_000;

/** Resolves when the agent runs and polls. */
export async function startAgentWorker(options: AgentWorkerOptions): Promise<Running> {
  if (options.heldDrain?.then === 'restart' && options.serverCommand === undefined) {
    throw fail('InvalidInput', '--held-drain restart: nobody here can start the model server again; give its command after --, or choose alert', { path: '--held-drain' });
  }
  let server: SupervisedServer | undefined;
  const agent = await startAgent({
    fleet: options.fleet, server: options.server, root: options.root, serving: options.serving, seeding: 'fleet',
    ...(options.allowEndpoints === undefined ? {} : { allowEndpoints: options.allowEndpoints }),
    ...(options.signatures === undefined ? {} : { signatures: options.signatures }),
    ...(options.credentialsDir === undefined ? {} : { credentialsDir: options.credentialsDir }),
    ...(options.heldDrain === undefined ? {} : { heldDrain: options.heldDrain }),
    ...(options.serverCommand === undefined ? {} : { restartServer: async (why: string) => { await server?.restart(why); } }),
    log: (message) => options.report(message),
  });
  const close = async (): Promise<void> => {
    await agent.close();
    await server?.stop();
  };
  try {
    // The boot file is there now: the server may start from it, whether or not Temporal answers.
    if (options.serverCommand !== undefined) server = await superviseServer({ command: options.serverCommand, report: options.report, onLine: options.report });
    return await startPolling(agent, options, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function startPolling(agent: Agent, options: AgentWorkerOptions, close: () => Promise<void>): Promise<Running> {
  const { client, connection, native, target } = await options.connect();
  const worker = runWorker(await Worker.create({
    connection: native,
    namespace: target.namespace,
    taskQueue: agentQueue(options.fleet, options.server),
    identity: `segue agent ${options.fleet}/${options.server} ${process.pid}@${hostname()}`,
    activities: createHostActivities(agent, { client }),
    maxConcurrentActivityTaskExecutions: SLOTS,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    shutdownGraceTime: options.shutdownGraceMs ?? SHUTDOWN_GRACE_MS,
  }));
  const announcer = keepAnnounced(fleetContact(connection, target.namespace, options.fleet), {
    current: () => announcementOf(options, agent.incarnation, agent.facts()), seed: (stable) => agent.seed(stable),
  }, options.report);
  return runningUntil(worker.ended, async () => {
    announcer.stop();
    await worker.stop();
    await close();
  });
}

export function announcementOf(identity: AgentIdentity, incarnation: string, facts: Pick<Announcement, 'seeded' | 'models'> = {}): Announcement {
  return {
    server: identity.server, incarnation, ...facts,
    ...(identity.zone === undefined ? {} : { zone: identity.zone }),
    ...(identity.allowEndpoints === undefined || identity.allowEndpoints.length === 0 ? {} : { allowEndpoints: identity.allowEndpoints }),
  };
}
