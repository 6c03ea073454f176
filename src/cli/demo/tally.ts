// What the demo's clients got: every prediction sent is judged once, and either it was right or it failed for a named reason.

import type { ServerName, Version } from '../../domain/names';

/** Who asks: one that takes whatever the server gives, or one that names the version. */
export type ClientKind = 'unversioned' | 'versioned';

/** One prediction before its answer. */
export interface Asked {
  readonly server: ServerName;
  readonly kind: ClientKind;
  /** What a versioned client named. */
  readonly version?: Version;
  readonly x: number;
  /** The highest version this server had answered an unversioned client when this one was sent: less than that would be going backwards. */
  readonly floor?: Version;
}

/** What came: a reply, or the error in place of one. */
export type Answer = { readonly version: Version; readonly y: number } | { readonly error: string };

export type Wrong = 'noReply' | 'wrongVersion' | 'wrongValue' | 'wentBackwards';

export interface Counted { readonly sent: number; readonly failed: number }

/** Plain JSON. A version is the one the reply named; of an answer without one, the version asked for, else `?`. */
export interface TallyView extends Counted {
  readonly byVersion: Readonly<Record<string, Counted>>;
  /** `edge-a unversioned` and so on, each by version. */
  readonly byClient: Readonly<Record<string, Readonly<Record<string, Counted>>>>;
  readonly byServer: Readonly<Record<ServerName, number>>;
  readonly byReason: Readonly<Partial<Record<Wrong, number>>>;
  /** The first few failures in full, for a person. */
  readonly examples: readonly string[];
}

/** y of half_plus_two and half_plus_three differs in the constant only. */
export type Constants = Readonly<Record<Version, number>>;

/** Values are small multiples of a half: float32 holds them exactly. */
const TOLERANCE = 1e-6;
const MAX_EXAMPLES = 5;

/** Why this answer is not the right one, or nothing. */
export function reasonWrong(asked: Asked, answer: Answer, constants: Constants): Wrong | undefined {
  if ('error' in answer) return 'noReply';
  if (asked.version !== undefined && answer.version !== asked.version) return 'wrongVersion';
  const constant = constants[answer.version];
  if (constant === undefined) return 'wrongVersion';
  if (!(Math.abs(answer.y - (asked.x / 2 + constant)) <= TOLERANCE)) return 'wrongValue';
  if (asked.floor !== undefined && BigInt(answer.version) < BigInt(asked.floor)) return 'wentBackwards';
  return undefined;
}

export class Tally {
  readonly #clients = new Map<string, Map<string, { sent: number; failed: number }>>();
  readonly #servers = new Map<ServerName, number>();
  readonly #reasons = new Map<Wrong, number>();
  readonly #examples: string[] = [];
  readonly #constants: Constants;
  /** Milliseconds of every right answer. */
  readonly latenciesMs: number[] = [];

  constructor(constants: Constants) {
    this.#constants = constants;
  }

  add(asked: Asked, answer: Answer, latencyMs: number): void {
    const wrong = reasonWrong(asked, answer, this.#constants);
    const version = 'error' in answer ? (asked.version ?? '?') : answer.version;
    const client = `${asked.server} ${asked.kind}`;
    const versions = this.#clients.get(client) ?? new Map<string, { sent: number; failed: number }>();
    this.#clients.set(client, versions);
    const counted = versions.get(version) ?? { sent: 0, failed: 0 };
    versions.set(version, counted);
    counted.sent += 1;
    this.#servers.set(asked.server, (this.#servers.get(asked.server) ?? 0) + 1);
    if (wrong === undefined) {
      this.latenciesMs.push(latencyMs);
      return;
    }
    counted.failed += 1;
    this.#reasons.set(wrong, (this.#reasons.get(wrong) ?? 0) + 1);
    if (this.#examples.length < MAX_EXAMPLES) this.#examples.push(`${wrong}: asked ${JSON.stringify(asked)}, got ${JSON.stringify(answer)} after ${Math.round(latencyMs)} ms`);
  }

  view(): TallyView {
    const byClient = Object.fromEntries([...this.#clients].map(([client, versions]) => [client, Object.fromEntries([...versions].map(([version, counted]) => [version, { ...counted }]))]));
    const byVersion: Record<string, Counted> = {};
    for (const versions of Object.values(byClient)) {
      for (const [version, counted] of Object.entries(versions)) byVersion[version] = sum(byVersion[version], counted);
    }
    const all = Object.values(byVersion).reduce<Counted>(sum, { sent: 0, failed: 0 });
    return { ...all, byVersion, byClient, byServer: Object.fromEntries(this.#servers), byReason: Object.fromEntries(this.#reasons), examples: [...this.#examples] };
  }
}

function sum(left: Counted | undefined, right: Counted): Counted {
  return { sent: (left?.sent ?? 0) + right.sent, failed: (left?.failed ?? 0) + right.failed };
}
