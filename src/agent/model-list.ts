// The sole writer of the server's model list: composed whole from the journal, one reload in flight ever, asserted again after any doubt (DESIGN §6).

import { randomUUID } from 'node:crypto';
import { fail, type SegueError } from '../domain/failures';
import { composeList, type ListedModel } from '../domain/list';
import type { ModelName, ServerName, Version } from '../domain/names';
import type { ModelStatus, ServingClient } from '../serving/client';
import { RpcFailure } from '../serving/rpc';
import { nowMs } from './clock';
import { afterDoubt, isSameIncarnation } from './doubt';
import type { Edit, Journal } from './journal';
import { accepted, difference, listEntry, listFields, withUnsure } from './list-entry';
import type { Live } from './live';
import type { Observer } from './observe';
import { Slots } from './slots';

/** Who asks for a change, and whether it still may. */
export type ListCaller = Pick<Live, 'signal' | 'assert'>;

/** Asked when no model is known yet: any answer, even that there is no such model, says that the server is there. */
const PING = 'segue-ping' as ModelName;
const settleReadMs = 2_000; // A server that is there answers in milliseconds; one that is not must not hold up the turn.

export class ModelList {
  readonly #turn = new Slots(1);
  /** Why it is not certain what the server lists. At the start nothing is. */
  #doubt: string | undefined = 'this agent has just started';
  #doubts = 0;
  #maybeRestarted = true;
  #refusal: string | undefined;
  #sentSinceMs: number | undefined;
  #sent: ReadonlyMap<ModelName, readonly Version[]> = new Map();
  readonly #onDoubt = new Set<() => void>();

  constructor(private readonly server: ServerName, private readonly root: string, private readonly journal: Journal, private readonly client: ServingClient, private readonly observer: Observer) {
    client.onDisconnect(() => this.doubtful('the connection to the model server was lost', true));
  }

  get doubt(): string | undefined {
    return this.#doubt;
  }

  /** Milliseconds for which a reload has been waiting for its answer. */
  get unansweredMs(): number | undefined {
    return this.#sentSinceMs === undefined ? undefined : nowMs() - this.#sentSinceMs;
  }

  /** The server's own text where it refused the last list. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  onDoubt(listener: () => void): void {
    this.#onDoubt.add(listener);
  }

  /** @param maybeRestarted another process may answer from now on. */
  doubtful(why: string, maybeRestarted: boolean): void {
    this.#doubt = why;
    this.#doubts += 1;
    this.#maybeRestarted ||= maybeRestarted;
    for (const listener of this.#onDoubt) listener();
  }

  /**
   * Journals what the list shall say of one model, then says it. A name the server does not know is registered by its sentinel first. `caller.assert` is called
   * immediately before the reload. Waits its turn; once the reload is sent it runs to its answer whatever the caller does.
   * Fails as ReloadRejected (nothing changed) or ServerUnreachable (it may have; settled before anything else is sent).
   */
  async change(model: ModelName, caller: ListCaller, edit: Edit): Promise<void> {
    await this.#turn.run(caller.signal, () => undefined, async () => {
      if (this.#doubt !== undefined) await this.#settleNow();
      caller.assert();
      if (edit(this.journal.entry(model)).aspired.length > 0) await this.#register(model, caller);
      caller.assert(); // A name takes a poll to be known; meanwhile its caller may have left.
      const before = this.journal.entry(model);
      await this.journal.update(model, (entry) => withUnsure(edit(entry), entry));
      try {
        caller.assert();
      } catch (error) {
        await this.journal.update(model, (entry) => listFields(entry, before)); // Never sent.
        throw error;
      }
      const answer = await this.#push();
      if (answer === 'OK') return;
      // Refused: the server went on with its old list, but remembers parts of the new one (TF Serving reference §2, step 5). Unanswered: nobody knows.
      if (!answer.unanswered) await this.journal.update(model, (entry) => withUnsure(listFields(entry, before), entry));
      throw this.#failure(answer);
    });
  }

  /**
   * Takes something off the list that must never be asserted again: journalled first, whatever the server does now, and with the next list it takes gone there too.
   * Fails as ServerUnreachable or ReloadRejected, with the journal changed all the same.
   */
  async withdraw(model: ModelName, caller: ListCaller, edit: Edit): Promise<void> {
    await this.#turn.run(caller.signal, () => undefined, async () => {
      caller.assert();
      await this.journal.update(model, (entry) => withUnsure(edit(entry), entry));
      if (this.#doubt !== undefined) return this.#settleNow();
      const answer = await this.#push();
      if (answer !== 'OK') throw this.#failure(answer);
    });
  }

  /** Before anything is done for a model: what the server has from somebody else is neither replaced nor taken over. Fails as ReloadRejected. */
  async refuseForeign(model: ModelName): Promise<void> {
    this.#refuseUnseeded();
    if (this.journal.entry(model).registered === 'no' && await this.#status(model) !== 'unknown model') throw this.#foreign(model);
  }

  /** Returns once it is certain what the server lists. Fails as ServerUnreachable while it does not answer, as ReloadRejected while it refuses. */
  async settle(signal: AbortSignal): Promise<void> {
    if (this.#doubt !== undefined) await this.#turn.run(signal, () => undefined, () => this.#settleNow());
  }

  async #settleNow(): Promise<void> {
    while (this.#doubt !== undefined) {
      const doubts = this.#doubts;
      const statuses = await this.#statuses();
      const same = !this.#maybeRestarted || isSameIncarnation(this.journal.models, statuses);
      await this.journal.updateAll((entry, model) => afterDoubt(entry, statuses.get(model) ?? 'unknown model', same), same ? {} : { incarnation: randomUUID() });
      for (const [model, entry] of this.journal.models) if (entry.registered === 'asked') await this.#confirm(model);
      if ([...this.journal.models.values()].some((entry) => entry.registered === 'yes')) {
        const answer = await this.#push();
        if (answer !== 'OK') throw this.#failure(answer);
      }
      if (doubts !== this.#doubts) continue; // Another doubt came up meanwhile.
      this.#doubt = undefined;
      this.#maybeRestarted = false;
    }
  }

  async #statuses(): Promise<ReadonlyMap<ModelName, ModelStatus>> {
    const models = [...this.journal.models.keys()];
    const statuses = new Map<ModelName, ModelStatus>();
    try {
      for (const model of models.length === 0 ? [PING] : models) {
        const status = await this.client.status(model, { deadlineMs: settleReadMs });
        statuses.set(model, status);
        if (model !== PING) this.observer.record(model, status, nowMs());
      }
    } catch (error) {
      if (error instanceof RpcFailure) throw this.#unreachable(error);
      throw error;
    }
    return statuses;
  }

  /** Makes a name known without loading anything, in about a poll. The rest of the list is applied although the server answers UNKNOWN (TF Serving reference §15, E1). */
  async #register(model: ModelName, caller: ListCaller): Promise<void> {
    const { registered } = this.journal.entry(model);
    if (registered === 'yes') return;
    if (registered === 'no' && await this.#status(model) !== 'unknown model') throw this.#foreign(model);
    await this.journal.update(model, (entry) => ({ ...entry, registered: 'asked' }));
    caller.assert();
    await this.#confirm(model);
  }

  /** Sends the list, in which an asked name goes by its sentinel, and looks whether the server knows it now. */
  async #confirm(model: ModelName): Promise<void> {
    const answer = await this.#push();
    if (answer !== 'OK') throw this.#failure(answer);
    const status = await this.#status(model);
    if (status === 'unknown model') throw fail('ReloadRejected', `${this.server}: register ${model} by its sentinel: want the name known, found the server answering without it`, { server: this.server, model });
    await this.journal.update(model, (entry) => ({ ...entry, registered: 'yes' }));
  }

  /** One reload with everything the journal wants. After OK nothing is unsure; after anything else there is a doubt. */
  async #push(): Promise<'OK' | RpcFailure> {
    this.#refuseUnseeded();
    const entries = [...this.journal.models].map(([model, entry]) => listEntry(model, entry));
    const wanted = new Map(entries.map((entry) => [entry.model, entry.registered === 'yes' ? entry.aspired : []]));
    for (const [model, version] of difference(wanted, this.#sent)) this.observer.listed(model, version, nowMs());
    const answer = await this.#send(composeList(entries, this.root));
    this.#refusal = answer === 'OK' || answer.unanswered || answer.code === 'UNKNOWN' ? undefined : answer.details;
    const registering = entries.some((entry) => entry.registered === 'asked');
    if (answer !== 'OK' && !(registering && answer.code === 'UNKNOWN')) {
      this.doubtful(`a reload ended as ${answer.code}: ${answer.details}`, answer.unanswered);
      return answer;
    }
    for (const [model, version] of difference(this.#sent, wanted)) this.observer.unlisted(model, version, nowMs());
    this.#sent = wanted;
    await this.journal.updateAll((entry, model) => ({ ...entry, unsure: [], candidate: accepted(entry.candidate, wanted.get(model) ?? []) }));
    return 'OK';
  }

  async #send(list: readonly ListedModel[]): Promise<'OK' | RpcFailure> {
    this.#sentSinceMs = nowMs();
    try {
      return await this.client.reload(list);
    } finally {
      this.#sentSinceMs = undefined;
    }
  }

  async #status(model: ModelName): Promise<ModelStatus> {
    try {
      return await this.client.status(model, { deadlineMs: settleReadMs });
    } catch (error) {
      if (!(error instanceof RpcFailure)) throw error;
      this.doubtful(`status of ${model} ended as ${error.code}`, error.unanswered);
      throw this.#unreachable(error);
    }
  }

  #refuseUnseeded(): void {
    if (!this.journal.seeded) throw fail('ReloadRejected', `${this.server}: this agent has no journal and does not know what the server lists, so nothing is changed; its fleet tells it within a second, or adopt the list: segue adopt FILE --root DIR --serving ADDRESS`, { server: this.server });
  }

  #foreign(model: ModelName): SegueError {
    return fail('ReloadRejected', `${this.server}: list ${model}: want a name only this agent gives the server, found one it knows already; is it started with models of its own?`, { server: this.server, model });
  }

  #failure(answer: RpcFailure): SegueError {
    if (answer.unanswered) return this.#unreachable(answer);
    if (answer.code === 'RESOURCE_EXHAUSTED') return fail('ServerWedged', `${this.server}: reload: ${answer.details}`, { server: this.server, found: answer.details });
    return fail('ReloadRejected', `${this.server}: reload: want OK, found ${answer.code}: ${answer.details}`, { server: this.server, found: answer.code, text: answer.details });
  }

  #unreachable(error: RpcFailure): SegueError {
    return fail('ServerUnreachable', `${this.server}: the model server at ${this.client.address} did not answer: ${error.message}`, { server: this.server, address: this.client.address, found: error.code }, error);
  }
}
