// Is this directory a SavedModel that a server could load and answer from? The checks of TF Serving reference §10, without TensorFlow.

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { INDEX_PATH, MAX_INDEX_BYTES, readBundleIndex } from './bundle';
import type { BundleIndex } from './bundle';
import { findingOf } from './finding';
import type { Finding } from './finding';
import { checkGraph } from './check-graph';
import type { GraphFacts, GraphWanted } from './check-graph';
import { Pace } from './pace';
import { readRegular } from './regular-file';
import { GRAPH_PATH, SERVE_TAGS, readGraphFile } from './saved-model';
import { checkShard } from './shard';
import { checkWarmup } from './warmup';

export type { Finding } from './finding';

export type SavedModelReport =
  | { readonly ok: true; readonly warnings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[]; readonly warnings: readonly Finding[] };

export interface CheckOptions extends GraphWanted {
  /** The tag set the server asks for; `serve` alone unless given. */
  readonly tags?: readonly string[];
  /** Stops the check within about a megabyte of work; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** More would not be read by anyone, and a report crosses Temporal. */
const MAX_FINDINGS = 20;
/** Each costs a look at the disk. */
const MAX_ASSETS = 10_000;

/** Reads everything once, in bounded memory, whatever the files claim. Findings: a server would fail to load this, or to answer from it. Warnings: it may. */
export async function checkSavedModel(dir: string, options: CheckOptions = {}): Promise<SavedModelReport> {
  const found = new Findings();
  await found.gather(async () => {
    const layout = await misplacedLayout(dir);
    if (layout !== undefined) return found.add(layout);
    const facts = await graphFacts(dir, options, found);
    options.signal?.throwIfAborted();
    await found.gather(() => checkVariables(dir, facts, options, found));
    await found.gather(async () => found.add(...await checkWarmup(dir, options.signal)));
    await checkAssets(dir, facts, options, found);
  });
  return found.report();
}

/** What a server refuses before it reads anything. */
async function misplacedLayout(dir: string): Promise<Finding | undefined> {
  if (await exists(dir, 'export.meta')) return { check: 'layout', path: 'export.meta', message: 'a legacy session bundle: the server answers "Session Bundle is deprecated and removed."' };
  if (await exists(dir, GRAPH_PATH) || await exists(dir, 'saved_model.pbtxt')) return undefined;
  const lite = await exists(dir, 'model.tflite');
  return { check: 'layout', path: GRAPH_PATH, message: `there is no such file${lite ? '; found model.tflite, a TensorFlow Lite model, which the server does not load unless told to' : ': not a SavedModel'}` };
}

async function graphFacts(dir: string, options: CheckOptions, found: Findings): Promise<GraphFacts | undefined> {
  const file = await readGraphFile(dir);
  if (file === undefined) {
    found.warn({ check: 'decode', path: 'saved_model.pbtxt', message: 'the graph is in text form and was not looked into' });
    return undefined;
  }
  let facts: GraphFacts | undefined;
  await found.gather(async () => {
    facts = await checkGraph(file, options.tags ?? SERVE_TAGS, new Pace(options.signal), options);
    found.add(...facts.findings);
    found.warn(...facts.warnings);
  });
  return facts;
}

async function checkVariables(dir: string, facts: GraphFacts | undefined, options: CheckOptions, found: Findings): Promise<void> {
  const file = await readRegular(dir, INDEX_PATH, MAX_INDEX_BYTES);
  if (file === undefined) {
    // TensorFlow loads such a model and reports it AVAILABLE; every prediction then fails (TF Serving reference §9).
    if (facts?.variableOp !== undefined) found.add({ check: 'variables', path: INDEX_PATH, message: `the graph has variables (${facts.variableOp}), and there is no such file` });
    return;
  }
  const index = readBundleIndex(file);
  found.add(...missingKeys(facts, index));
  const shards = new Set([...index.entries.values()].filter((entry) => !entry.sliced).map((entry) => entry.shard));
  for (const shard of [...shards].sort((a, b) => a - b)) {
    await found.gather(async () => {
      const { findings, warnings } = await checkShard(dir, index, shard, { limit: MAX_FINDINGS, signal: options.signal });
      found.add(...findings);
      found.warn(...warnings);
    });
  }
}

/** Warnings only: the loader passes the path on, and most graphs never open it; an init op that does fails the load. */
async function checkAssets(dir: string, facts: GraphFacts | undefined, options: CheckOptions, found: Findings): Promise<void> {
  for (const name of facts?.assets.slice(0, MAX_ASSETS) ?? []) {
    options.signal?.throwIfAborted();
    const path = `assets/${name}`;
    if (name.split('/').includes('..') || name.includes('\0')) found.warn({ check: 'assets', path: path.slice(0, 200), message: 'the graph names an asset outside assets/' });
    else if (!(await exists(dir, path))) found.warn({ check: 'assets', path: path.slice(0, 200), message: 'the graph names this asset, and there is no such file' });
  }
}

function missingKeys(facts: GraphFacts | undefined, index: BundleIndex): Finding[] {
  const missing = (facts?.restoredKeys ?? []).filter((key) => !index.entries.has(key));
  return missing.map((key) => ({ check: 'restore', path: INDEX_PATH, message: `the graph restores ${JSON.stringify(Buffer.from(key, 'latin1').toString('utf8').slice(0, 200))}, and the index has no such key` }));
}

async function exists(dir: string, path: string): Promise<boolean> {
  return access(join(dir, path)).then(() => true, () => false);
}

class Findings {
  private readonly findings: Finding[] = [];
  private readonly warnings: Finding[] = [];

  add(...more: readonly Finding[]): void {
    this.findings.push(...more.slice(0, MAX_FINDINGS - this.findings.length));
  }

  warn(...more: readonly Finding[]): void {
    this.warnings.push(...more.slice(0, MAX_FINDINGS - this.warnings.length));
  }

  /** Runs one part of the check; what it throws as a finding is one, anything else goes on. */
  async gather(part: () => Promise<void>): Promise<void> {
    try {
      await part();
    } catch (error) {
      const finding = findingOf(error);
      if (finding === undefined) throw error;
      this.add(finding);
    }
  }

  report(): SavedModelReport {
    return this.findings.length === 0 ? { ok: true, warnings: this.warnings } : { ok: false, findings: this.findings, warnings: this.warnings };
  }
}
