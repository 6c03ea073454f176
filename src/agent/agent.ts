// The agent: the only thing that touches its server and its disk. It executes and remembers; it never decides what should be served (DESIGN §2).

import { randomUUID } from 'node:crypto';
import { mkdir, realpath } from 'node:fs/promises';
import { fail } from '../domain/failures';
import type { Announcement, Attempt, AwaitInput, DrainInput, Probed, ResolveInput, StopResult, UnloadInput } from '../domain/host';
import { compareTokens, parseVersion, type FleetName, type ModelName, type ServerName, type Version } from '../domain/names';
import type { ResolvedSource } from '../domain/source';
import type { ModelView, Proof } from '../domain/view';
import { ServingClient } from '../serving/client';
import { listSource } from '../source/listing';
import { signaturesOf, UNSIGNED, type SignatureRules } from '../source/signature';
import { orAbort } from '../source/watchdog';
import { abortAttempt, stopOf } from './abort-step';
import { awaitAvailable } from './await-step';
import { beginAttempt } from './begin-step';
import { BootFile } from './boot';
import { beginWithDownload, downloadVersion, refuseForeignEndpoint } from './download-step';
import { startDiagnosisLoop, type DiagnosisLoop } from './diagnosis-loop';
import { drainVersion } from './drain-step';
import { DriftWatch } from './drift';
import { Fence, type Caller } from './fence';
import { DEFAULT_HELD_DRAIN, type HeldDrainPolicy, type RestartServer } from './held-drain';
import { Journal } from './journal';
import type { Live } from './live';
import { LastListing } from './last-listing';
import { lockStore, type StoreLock } from './lock';
import { ModelList } from './model-list';
import { ModelStore } from './model-store';
import { Observer } from './observe';
import type { Log, Parts, Stop } from './parts';
import { proofOfOvertaken, readProof } from './proof';
import { reloadConfig } from './reload-step';
import { seedFrom, type Seed } from './seed';
import { ServerFlagsReader } from './server-flags';
import { Slots } from './slots';
import { stageVersion } from './stage-step';
import { tidyPartial } from './tidy';
import { unloadVersion } from './unload-step';
import { verifyVersion } from './verify-step';
import { viewAfterAbort, viewOf } from './view';
import { startWatcher, type Watcher } from './watcher';

export interface AgentOptions {
  readonly fleet: FleetName;
  readonly server: ServerName;
  /** The directory the model server reads; created where it is missing. */
  readonly root: string;
  /** The model server: `host:port` or `unix:PATH`. It need not be there yet. */
  readonly serving: string;
  /** Endpoints this host may be sent to; empty or absent: any. */
  readonly allowEndpoints?: readonly string[];
  /** Where `file:NAME` credentials are. */
  readonly credentialsDir?: string;
  /** fleet: without a journal nothing is reloaded until `seed` was called; its caller knows a fleet. disk: an empty or missing boot file is believed. */
  readonly seeding?: 'fleet' | 'disk';
  /** The server's --file_system_poll_wait_seconds. */
  readonly pollSeconds?: number;
  /** What to do when requests in flight do not let a version go; an alert after 30 s unless given. */
  readonly heldDrain?: HeldDrainPolicy;
  /** Starts the model server again; only where somebody supervises it. */
  readonly restartServer?: RestartServer;
  /** Which models take only what their makers signed. Default: signatures are not looked at. */
  readonly signatures?: SignatureRules;
  readonly log?: Log;
}

/** What each call brings: how it ends early, and where its news go. */
export interface AgentCall {
  readonly signal: AbortSignal;
  heartbeat(details: Readonly<Record<string, unknown>>): void;
}

/** More would share the same wire and disk; the rest wait, and say so (DESIGN §2). */
const DOWNLOADS_AT_ONCE = 2;

/** Locks the root, reads the journal, writes the boot file, and begins to watch the server. Fails as StoreBusy, or where the journal is not ours. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  await mkdir(options.root, { recursive: true });
  const root = await realpath(options.root); // The server needs absolute paths, and two names of one root are one root.
  const lock = await lockStore(root);
  try {
    return await openAgent(options, root, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openAgent(options: AgentOptions, root: string, lock: StoreLock): Promise<Agent> {
  const journal = await Journal.open(root);
  const owner = `${options.fleet}/${options.server}`;
  if (journal.owner !== undefined && journal.owner !== owner) throw fail('InvalidInput', `${root} is the disk of ${journal.owner}, and this agent is to be ${owner}: start it under its own name, or give ${owner} another root`, { root, want: journal.owner, found: owner });
  const store = new ModelStore(root);
  await store.prepare();
  const boot = new BootFile(journal, store);
  // Without a journal a list that somebody gave the server is unknown, not empty: nothing is reloaded, and the file stays as it is (DESIGN §6).
  if (journal.isNew) await journal.updateAll((entry) => entry, { seeded: options.seeding !== 'fleet' && !await boot.isForeign() });
  if (journal.owner === undefined) await journal.updateAll((entry) => entry, { owner });
  // Where there is no file at all, an empty list is what a model server can start from.
  if (journal.seeded || await boot.isMissing()) await boot.write();
  const pollSeconds = options.pollSeconds ?? 1;
  const client = new ServingClient(options.serving);
  const observer = new Observer(pollSeconds);
  const overtaken: Parts['overtaken'] = new Map();
  const parts: Parts = {
    fleet: options.fleet, server: options.server, processId: randomUUID(), lock, journal, store, boot, client, observer,
    fence: new Fence(journal, async (lower) => { overtaken.set(lower.model, await readProof(parts, lower, 0)); }), overtaken, stops: new Map(), listed: new LastListing(), list: new ModelList(options.server, root, journal, client, observer), downloads: new Slots(DOWNLOADS_AT_ONCE), drains: new Slots(1), ledgers: new Map(),
    allowEndpoints: options.allowEndpoints ?? [], credentialsDir: options.credentialsDir, awaitsSeed: options.seeding === 'fleet', signatures: options.signatures ?? UNSIGNED, log: options.log ?? (() => undefined),
    serverFlags: new ServerFlagsReader(options.serving), diagnoses: { current: [] }, heldDrain: options.heldDrain ?? DEFAULT_HELD_DRAIN, restartServer: options.restartServer,
  };
  // Nothing runs yet: whatever no model owns was left by a process that died.
  for (const model of new Set([...journal.models.keys(), ...await store.stagedModels()])) await tidyPartial(parts, model, 'kept');
  const drift = new DriftWatch(parts);
  return new Agent(parts, drift, startWatcher(parts, drift, pollSeconds * 1000), startDiagnosisLoop(parts, pollSeconds * 1000));
}

/** The host's activities. Each is idempotent, killable and fenced, and returns the fresh view. */
export class Agent {
  readonly #closing = new AbortController();
  #seeding: Promise<string | undefined> | undefined;

  constructor(private readonly parts: Parts, private readonly drift: DriftWatch, private readonly watcher: Watcher, private readonly diagnosis: DiagnosisLoop) {}

  /** Changes when the model server restarts. */
  get incarnation(): string {
    return this.parts.journal.incarnation;
  }

  /** What this host has to tell its fleet, as last looked at. */
  facts(): Pick<Announcement, 'seeded' | 'models'> {
    const models = this.drift.facts();
    return { ...(this.parts.journal.seeded ? {} : { seeded: false }), ...(models === undefined ? {} : { models }) };
  }

  /** Tells an agent without a journal what its fleet has stable. Nothing, once it knows what its server lists; else why not yet. */
  seed(stable: Seed): Promise<string | undefined> {
    return this.#seeding ??= seedFrom(this.parts, stable, this.#closing.signal).finally(() => { this.#seeding = undefined; });
  }

  /** What was promoted here: what clients are meant to get. */
  servingVersion(model: ModelName): Version | undefined {
    return this.parts.journal.entry(model).promoted;
  }

  async resolveSource(input: ResolveInput, call: AgentCall): Promise<ResolvedSource> {
    refuseForeignEndpoint(this.parts, input.source);
    const { credentialsDir } = this.parts;
    const { resolved } = await this.parts.listed.make(input.model, input.source, () => listSource(input.source, { signal: call.signal, signatures: signaturesOf(this.parts.signatures, input.model), ...(credentialsDir === undefined ? {} : { credentialsDir }) }));
    return resolved;
  }

  async beginAttempt(attempt: Attempt, call: AgentCall): Promise<ModelView> {
    refuseBadNames(attempt);
    await this.parts.fence.open(attempt);
    return this.#run(attempt, call, (live) => beginAttempt(this.parts, attempt, live));
  }

  async downloadVersion(attempt: Attempt, call: AgentCall): Promise<ModelView> {
    if (attempt.begins !== true) return this.#step(attempt, call, (live) => downloadVersion(this.parts, attempt, live));
    refuseBadNames(attempt);
    await this.parts.fence.open(attempt);
    return this.#run(attempt, call, (live) => beginWithDownload(this.parts, attempt, live));
  }

  verifyVersion(attempt: Attempt, call: AgentCall): Promise<ModelView> {
    return this.#step(attempt, call, (live) => verifyVersion(this.parts, attempt, live));
  }

  stageVersion(attempt: Attempt, call: AgentCall): Promise<ModelView> {
    return this.#step(attempt, call, (live) => stageVersion(this.parts, attempt, live));
  }

  reloadConfig(attempt: Attempt, call: AgentCall): Promise<ModelView> {
    return this.#step(attempt, call, (live) => reloadConfig(this.parts, attempt, live));
  }

  async awaitAvailable(input: AwaitInput, call: AgentCall): Promise<ModelView & { readonly probed: Probed }> {
    let probed: Probed = 'metadata';
    const view = await this.#step(input.attempt, call, async (live) => { probed = await awaitAvailable(this.parts, input, live); });
    return { ...view, probed };
  }

  drainVersion(input: DrainInput, call: AgentCall): Promise<ModelView> {
    return this.#step(input.attempt, call, (live) => drainVersion(this.parts, input, live));
  }

  unloadVersion(input: UnloadInput, call: AgentCall): Promise<ModelView> {
    return this.#step(input.attempt, call, (live) => unloadVersion(this.parts, input, live));
  }

  async abortAttempt(attempt: Attempt, call: AgentCall): Promise<StopResult> {
    refuseBadNames(attempt);
    const stop = stopOf(this.parts, attempt);
    // The rollout and its transition ask for the same stop: whoever comes second is given the answer of the first, and does it himself only where that had none.
    while (stop.running !== undefined) {
      const running = stop.running;
      try {
        return await orAbort(running, call.signal);
      } catch {
        call.signal.throwIfAborted();
        if (stop.running === running) break;
      }
    }
    const mine = stop.proof === undefined ? this.#stop(attempt, stop, call) : this.#answerAgain(attempt, stop.proof, call);
    stop.running = mine;
    try {
      return await mine;
    } finally {
      if (stop.running === mine) delete stop.running;
    }
  }

  /** Closed, stopped and looked at: nothing of this token can have begun since. */
  async #answerAgain({ model, version }: Attempt, proof: Proof, call: AgentCall): Promise<StopResult> {
    return { proof, view: await viewAfterAbort(this.parts, model, version, call.signal) };
  }

  async #stop(attempt: Attempt, stop: Stop, call: AgentCall): Promise<StopResult> {
    const { fence } = this.parts;
    await fence.close(attempt);
    // A newer attempt holds the model: it stops this one before it begins, and it must not be disturbed.
    const ofOvertaken = async (): Promise<StopResult> => ({ proof: await proofOfOvertaken(this.parts, attempt, stop, call.signal), view: await viewAfterAbort(this.parts, attempt.model, attempt.version, call.signal) });
    if (fence.isOvertaken(attempt)) return ofOvertaken();
    try {
      return await fence.exclusively(attempt, callerOf(call), () => undefined, async (live) => {
        const proof = await abortAttempt(this.parts, attempt, stop, live);
        return { proof, view: await viewAfterAbort(this.parts, attempt.model, attempt.version, live.signal) };
      });
    } catch (error) {
      // Overtaken while it was stopping: the newer one stopped the rest, and what it saw is the proof.
      if (call.signal.aborted || !fence.isOvertaken(attempt)) throw error;
      return ofOvertaken();
    }
  }

  /** Stops every effect, then lets go of the root. The model server goes on serving. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the agent is stopping'));
    await this.#seeding?.catch(() => undefined);
    await this.parts.fence.stopAll(fail('StoreBusy', `the agent of ${this.parts.server} is stopping`));
    await Promise.all([this.watcher.stop(), this.diagnosis.stop()]);
    this.parts.client.close();
    await this.parts.lock.release();
  }

  /** A greater token that never began here, because this agent lost its journal or the begin, begins now. */
  async #step(attempt: Attempt, call: AgentCall, effect: (live: Live) => Promise<void>): Promise<ModelView> {
    refuseBadNames(attempt);
    if (compareTokens(attempt.token, this.parts.journal.entry(attempt.model).token) > 0) await this.beginAttempt(attempt, call);
    return this.#run(attempt, call, effect);
  }

  #run(attempt: Attempt, call: AgentCall, effect: (live: Live) => Promise<void>): Promise<ModelView> {
    return this.parts.fence.run(attempt, callerOf(call), async (live) => {
      await effect(live);
      return viewOf(this.parts, attempt.model, attempt.version, live.signal);
    });
  }
}

function callerOf(call: AgentCall): Caller {
  return { signal: call.signal, report: (details) => call.heartbeat(details) };
}

/** Names become paths here; whoever parsed them before, this is the last look. */
function refuseBadNames({ model, version, retain }: Attempt): void {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/.test(model)) throw fail('InvalidInput', `model: want letters, digits, _ . - and no leading dot, found ${JSON.stringify(model)}`, { path: 'model', found: model });
  for (const one of [...(version === undefined ? [] : [version]), ...retain]) {
    const parsed = parseVersion(one);
    if ('why' in parsed) throw fail('InvalidInput', `version: ${parsed.why}`, { path: 'version', found: one });
  }
}
