// One agent with its server, as plain state: what an activity does there, at once and all of it, or that it may not. The shortest thing that keeps the promises the agent's own tests hold it to.

import { fail, type SegueError } from '../../src/domain/failures';
import type { Attempt, HostActivities } from '../../src/domain/host';
import { isServing } from '../../src/domain/transition';
import { compareTokens, type Digest, type Pin, type Token, type Version } from '../../src/domain/names';
import type { ModelView, Proof, ServableState, Staged } from '../../src/domain/view';

export class Host {
  token: Token = [0, 0];
  open = false;
  readonly staged = new Map<Version, Staged>();
  aspired: readonly Version[] = [];
  candidate: { readonly version: Version; readonly token: Token } | undefined;
  lost: Version | undefined;
  promoted: Version | undefined;
  before: { readonly epoch: number; readonly version?: Version } | undefined;
  drained: readonly Version[] = [];
  partial: { readonly version: Version; readonly pin: Pin; readonly phase: 'fetched' | 'verified' } | undefined;
  readonly states = new Map<Version, ServableState>();
  /** What this host did and must not have done. */
  wrong: string | undefined;
  /** Every effect, by the token it had: they never go back. */
  readonly effects: Token[] = [];

  /** @param fenced false: anybody may act, to show that it would be found out. */
  constructor(readonly name: string, readonly broken: ReadonlySet<Version>, private readonly fenced = true) {}

  serve(version: Version): void {
    this.staged.set(version, { digest: digestOf(version), pin: pinOf(version) });
    this.aspired = [version];
    this.promoted = version;
    this.states.set(version, 'AVAILABLE');
  }

  mayBegin(step: keyof HostActivities, input: unknown): boolean {
    const { token } = ('attempt' in (input as object) ? (input as { attempt: Attempt }).attempt : input) as Attempt;
    const order = compareTokens(token, this.token);
    return !this.fenced || step === 'beginAttempt' || step === 'abortAttempt' || isBegun(step, input) ? order >= 0 || !this.fenced : order === 0 && this.open;
  }

  /** Throws StaleAttempt. */
  assertMayAct({ token }: Attempt): void {
    const order = compareTokens(token, this.token);
    if (this.fenced && (order !== 0 || !this.open)) throw this.stale(token);
  }

  /** As the fence of the agent says it. */
  stale(token: Token): SegueError {
    return fail('StaleAttempt', `${this.name}: ${token.join('.')} may not act, the journal holds ${this.token.join('.')} ${this.open ? 'open' : 'closed'}`, { holds: this.token });
  }

  run(step: keyof HostActivities, input: unknown, atMs: number): unknown {
    const attempt = ('attempt' in (input as object) ? (input as { attempt: Attempt }).attempt : input) as Attempt;
    const version = (input as { version?: Version }).version;
    switch (step) {
      case 'resolveSource': return { pin: pinOf(version!), files: 3, bytes: 100 };
      case 'beginAttempt': this.#begin(attempt); break;
      case 'abortAttempt': return this.#abort(attempt, atMs);
      default:
        if (isBegun(step, input)) this.#begin(attempt);
        this.assertMayAct(attempt);
        this.effects.push(attempt.token);
        this.#act(step, attempt, version!);
    }
    return step === 'awaitAvailable' ? { ...this.view(), probed: 'metadata' } : this.view();
  }

  #begin(attempt: Attempt): void {
    const order = compareTokens(attempt.token, this.token);
    if (this.fenced && (order < 0 || (order === 0 && !this.open))) throw this.stale(attempt.token);
    if (order > 0) {
      this.lost = undefined;
      if (this.candidate !== undefined) this.#withdraw(this.candidate.version);
    }
    if (order > 0) { this.#raise(attempt.token); this.open = true; }
    this.effects.push(attempt.token);
    if (this.partial !== undefined && (this.partial.version !== attempt.version || this.partial.pin !== attempt.pin)) this.partial = undefined;
    this.#prune({ ...attempt, retain: [...attempt.retain, ...(this.before?.version === undefined ? [] : [this.before.version])] });
  }

  #act(step: keyof HostActivities, attempt: Attempt, version: Version): void {
    switch (step) {
      case 'downloadVersion':
        if (attempt.begins === true && isServing(attempt.version!, this.view()) && this.staged.has(attempt.version!)) return;
        // By its own listing, which now and then is another one than its rollout's.
        this.partial = { version: attempt.version!, pin: attempt.pin ?? (attempt.begins === true && attempt.token[1] % 2 === 0 ? 'pin:own' as Pin : pinOf(attempt.version!)), phase: 'fetched' };
        return;
      case 'verifyVersion':
        if (this.partial?.pin === 'pin:own') this.wrong = `One listing: ${attempt.version} is verified as it was listed by its host alone`;
        if (this.partial !== undefined) this.partial = { ...this.partial, phase: 'verified' };
        return;
      case 'stageVersion': if (this.partial !== undefined) this.staged.set(attempt.version!, { digest: digestOf(attempt.version!), pin: this.partial.pin }); this.partial = undefined; return;
      case 'reloadConfig': {
        const wanted = attempt.version!;
        if (attempt.alone === true && this.aspired.some((one) => one !== wanted)) return;
        if (this.lost === wanted) throw fail('LoadFailed', 'the server restarted while it was loading it');
        this.aspired = [...new Set([...this.aspired, wanted])];
        this.candidate = { version: wanted, token: attempt.token };
        this.drained = this.drained.filter((one) => one !== wanted);
        this.states.set(wanted, 'LOADING');
        return;
      }
      case 'awaitAvailable':
        if (this.lost === version || this.broken.has(version)) { this.states.set(version, 'END'); throw fail('LoadFailed', `${version} does not load`); }
        this.states.set(version, 'AVAILABLE');
        this.promoted = version;
        this.candidate = undefined;
        return;
      case 'drainVersion': this.drained = [...this.drained, version]; return;
      case 'unloadVersion':
        if (attempt.version === undefined && this.promoted === version) this.promoted = undefined;
        this.#withdraw(version);
        this.#prune(attempt);
        return;
      default: throw new Error(`no step ${step}`);
    }
  }

  #abort(attempt: Attempt, atMs: number): { readonly proof: Proof; readonly view: ModelView } {
    if (compareTokens(attempt.token, this.token) >= 0) {
      this.#raise(attempt.token);
      this.open = false;
      this.effects.push(attempt.token);
      if (this.candidate !== undefined) this.#withdraw(this.candidate.version);
    }
    return { proof: { token: attempt.token, sockets: 0, writers: 0, partial: this.partial === undefined ? 'none' : 'kept', aspired: false, readFrom: 'process', stoppedMs: 1, atMs }, view: this.view() };
  }

  #raise(token: Token): void {
    if (token[0] > this.token[0]) this.before = { epoch: token[0], ...(this.promoted === undefined ? {} : { version: this.promoted }) };
    this.token = token;
  }

  #withdraw(version: Version): void {
    this.aspired = this.aspired.filter((one) => one !== version);
    if (this.candidate?.version === version) this.candidate = undefined;
    if (this.states.has(version)) this.states.set(version, 'END');
  }

  #prune({ retain, version }: Attempt): void {
    for (const one of this.staged.keys()) if (!this.aspired.includes(one) && !retain.includes(one) && one !== version && one !== this.promoted) this.staged.delete(one);
  }

  /** Its boot file names what was promoted; what was loading is gone, and perhaps killed it. */
  restartServer(): void {
    this.lost = this.candidate?.version;
    this.candidate = undefined;
    this.aspired = this.promoted === undefined ? [] : [this.promoted];
    this.states.clear();
    if (this.promoted !== undefined) this.states.set(this.promoted, 'AVAILABLE');
  }

  view(): ModelView {
    return {
      token: this.token, staged: Object.fromEntries(this.staged), aspired: this.aspired, states: Object.fromEntries(this.states), labels: {}, waits: {}, drained: this.drained, incarnation: 'i',
      ...(this.promoted === undefined ? {} : { promoted: this.promoted }),
      ...(this.before === undefined ? {} : { before: this.before }),
      ...(this.partial === undefined ? {} : { partial: { ...this.partial, bytes: 1, of: 1 } }),
    };
  }
}

/** A download that is the first call of its attempt. */
function isBegun(step: keyof HostActivities, input: unknown): boolean {
  return step === 'downloadVersion' && (input as Attempt).begins === true;
}

export function digestOf(version: Version): Digest { return `sha256:${version.padStart(64, '0')}` as Digest; }
export function pinOf(version: Version): Pin { return `pin:${version}` as Pin; }
