// Plays one round's plan on the running stack, each act at its moment, and resolves when everything is up again and everything was said.

import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { BUCKET, constantOf, type Contents } from './contents';
import type { Load } from './load';
import { bootVersions, statesOf, versionPath } from './look';
import { patiently } from './patient';
import { MODELS, type Act, type Model, type Plan, type Server, type Wanted } from './plan';
import { FLEET, type Stack } from './stack';
import type { Watch } from './watch';

/** A server that starts loads at once what its boot file names, and its agent asserts it where the file was emptied; what is missing on a disk is fetched by a repair. */
const BACK_MS = 90_000;
const LOOK_EVERY_MS = 50;
/** The fleet's own task may have to wait for a worker that was killed. */
const VERDICT_HEARD_MS = 15_000;

export function rolloutId({ model, version }: Pick<Wanted, 'model' | 'version'>): string {
  return `rollout/${FLEET}/${model}/${version}/chaos`;
}

export class Play {
  readonly #started = new Map<string, Promise<void>>();
  #faults = 0;

  constructor(private readonly stack: Stack, private readonly load: Load, private readonly contents: Contents, private readonly watch: Watch) {}

  /** Returns what went wrong with the playing itself: a process that did not come back, a wish that nobody took. */
  async play({ acts }: Plan): Promise<readonly string[]> {
    for (const act of acts) if (act.do === 'start') await this.contents.upload(act.wanted, this.stack.good, this.stack.stale);
    const beganMs = Date.now();
    const wrong: string[] = [];
    const running: Promise<void>[] = [];
    for (const act of acts) {
      await delay(Math.max(0, beganMs + act.atMs - Date.now()));
      running.push(this.#perform(act).catch((error: unknown) => { wrong.push(`${act.do} at ${act.atMs} ms: ${error instanceof Error ? error.message : String(error)}`); }));
    }
    await Promise.all(running);
    return wrong;
  }

  #perform(act: Act): Promise<void> {
    switch (act.do) {
      case 'start': return this.#start(act.wanted);
      case 'say': return this.#say(act);
      case 'rollBackStable': return this.#rollBackStable(act);
      case 'freeze': return this.stack.part(act.part).freeze(act.forMs);
      case 'fault': return this.#fault(act);
      case 'remove': return this.#remove(act);
      case 'emptyBoot': writeFileSync(join(this.stack.host(act.server).root, 'boot.config'), 'model_config_list {}\n'); return Promise.resolve();
      case 'end': return act.part.endsWith('-server') ? this.#endServer(act.part.slice(0, -'-server'.length) as Server, act.signal) : this.stack.part(act.part).restart(act.signal);
    }
  }

  #start(wanted: Wanted): Promise<void> {
    const { client } = this.stack.temporal;
    const workflowId = rolloutId(wanted);
    const started = patiently(client, async () => {
      try {
        await client.workflow.start('rollout', { workflowId, taskQueue: 'segue', args: [this.#requestOf(wanted)] });
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error; // the answer to the try before was lost
      }
    });
    this.#started.set(workflowId, started);
    return started;
  }

  #requestOf({ model, version, content, probe, onFailure, strategy }: Wanted): Readonly<Record<string, unknown>> {
    const constant = constantOf(version) + (probe === 'wrong' ? 1 : 0);
    return {
      fleet: FLEET, model, version, onFailure, holdSeconds: 2, strategy,
      source: { uri: `s3://${BUCKET}/${model}/${version}/`, endpoint: content === 'stale' ? this.stack.stale.url : this.stack.good.url, credentials: 'env' },
      ...(probe === 'none' ? {} : { probe: { inputs: { x: [1, 2, 5] }, expect: { y: [1, 2, 5].map((x) => x / 2 + constant) } } }),
    };
  }

  async #say({ verb, to }: Extract<Act, { do: 'say' }>): Promise<void> {
    const workflowId = rolloutId(to);
    await this.#started.get(workflowId);
    const payload = verb === 'update' ? { source: { endpoint: this.stack.good.url } } : { by: 'chaos', reason: verb };
    try {
      const handle = this.stack.temporal.client.workflow.getHandle(workflowId);
      await patiently(this.stack.temporal.client, async () => { await (verb === 'cancel' ? handle.cancel() : handle.signal(verb, payload)); });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error; // it was over by then
    }
  }

  async #rollBackStable({ after }: Extract<Act, { do: 'rollBackStable' }>): Promise<void> {
    const { client } = this.stack.temporal;
    const workflowId = rolloutId(after);
    await this.#started.get(workflowId);
    while ((await patiently(client, () => client.workflow.getHandle(workflowId).describe())).status.name === 'RUNNING') await delay(LOOK_EVERY_MS);
    const deadline = Date.now() + VERDICT_HEARD_MS;
    for (let tried = 1; ; tried += 1) {
      const updateId = `${workflowId} ${tried}`;
      try {
        await patiently(client, () => client.workflow.getHandle(`fleet/${FLEET}`).executeUpdate('rollback', { args: [{ model: after.model, by: 'chaos' }], updateId }));
        return;
      } catch (error) {
        if (!(error instanceof WorkflowUpdateFailedError)) throw error;
        // Held until the fleet has heard the verdict; any other refusal is an answer, such as that what was before is known to be bad.
        if (!/ holds /.test(error.cause?.message ?? '') || Date.now() > deadline) return;
      }
      await delay(LOOK_EVERY_MS);
    }
  }

  async #endServer(server: Server, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    let up = (): void => undefined;
    await this.stack.part(`${server}-server`).restart(signal, { before: () => { up = this.load.down(server, MODELS); }, after: () => this.#serves(server, MODELS) });
    up();
  }

  /** What its boot file names is on the disk and AVAILABLE. */
  async #serves(server: Server, models: readonly Model[]): Promise<void> {
    const host = this.stack.host(server);
    const deadline = Date.now() + BACK_MS;
    for (;;) {
      const states = await Promise.all(models.map((model) => statesOf(host, model)));
      const serves = models.every((model, at) => {
        const booted = bootVersions(host, model);
        return booted.length > 0 && booted.every((version) => states[at]?.[version] === 'AVAILABLE' && existsSync(versionPath(host, model, version)));
      });
      if (serves) return;
      if (Date.now() > deadline) throw new Error(`${server} does not serve what it booted from ${BACK_MS / 1000} s after it was broken: ${JSON.stringify(states)}`);
      await delay(LOOK_EVERY_MS);
    }
  }

  /** At once for whoever looks from this process. The model server unloads what is gone at its next poll; nobody can help that. */
  async #remove({ server, model }: Extract<Act, { do: 'remove' }>): Promise<void> {
    const host = this.stack.host(server);
    const up = this.load.down(server, [model]);
    for (const version of bootVersions(host, model)) {
      this.watch.excuse(host, model, version);
      rmSync(versionPath(host, model, version), { recursive: true, force: true });
    }
    await this.#serves(server, [model]);
    up();
  }

  async #fault({ rule, forMs }: Extract<Act, { do: 'fault' }>): Promise<void> {
    this.stack.good.fault(rule);
    this.#faults += 1;
    await delay(forMs);
    this.#faults -= 1;
    if (this.#faults === 0) this.stack.good.clearFaults();
  }
}
