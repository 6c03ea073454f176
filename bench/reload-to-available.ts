// How long a list takes to be served: reload → AVAILABLE (additive, an empty load), and un-aspired → END, at random phases of poll and tick. The real core's
// figures are in the TF Serving reference §15, E9: p50 563, p99 and max 997 ms; 529, 1076, 1076 ms (n = 50). Prints one JSON object. node -r ./tools/ts.cjs bench/reload-to-available.ts [samples]

import { cpSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelName, Version } from '../src/domain/names';
import { ServingClient } from '../src/serving/client';
import { startSimulator } from '../src/testing/tf-serving/server';

const SAMPLE = join(__dirname, '../test/data/savedmodels/saved_model_half_plus_two_cpu/00000123');
const SAMPLES = Number(process.argv[2] ?? 50);
const POLL_MS = 1_000;
const LOOK_EVERY_MS = 2;
const model = 'half' as ModelName;

/** Of the real core with a Python client, n = 50. */
const REAL = { availableMs: { p50: 563, p99: 997, max: 997 }, endMs: { p50: 529, p99: 1076, max: 1076 } } as const;

async function measure(): Promise<object> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'segue-bench-')));
  for (let version = 1; version <= SAMPLES + 1; version += 1) cpSync(SAMPLE, join(root, String(version)), { recursive: true });
  const simulator = await startSimulator({ port: 0, modelConfig: 'model_config_list {}', numLoadThreads: 2, numUnloadThreads: 2, maxNumLoadRetries: 0, fileSystemPollWaitSeconds: POLL_MS / 1000 });
  const client = new ServingClient(`127.0.0.1:${simulator.port}`);
  const list = (...versions: readonly number[]): Promise<unknown> => client.reload([{ name: model, basePath: root, platform: 'tensorflow', versions: versions.map(String), labels: {} }]);
  const reach = async (version: number, state: string, sinceMs: number): Promise<number> => {
    for (;;) {
      const status = await client.status(model);
      if (status !== 'unknown model' && status.get(String(version) as Version)?.state === state) return performance.now() - sinceMs;
      await pause(LOOK_EVERY_MS);
    }
  };
  const available: number[] = [];
  const end: number[] = [];
  try {
    await list(1);
    for (let version = 2; version <= SAMPLES + 1; version += 1) {
      await pause(Math.random() * POLL_MS);
      let began = performance.now();
      await list(version - 1, version);
      available.push(await reach(version, 'AVAILABLE', began));
      await pause(Math.random() * POLL_MS);
      began = performance.now();
      await list(version);
      end.push(await reach(version - 1, 'END', began));
    }
  } finally {
    client.close();
    await simulator.stop();
    rmSync(root, { recursive: true });
  }
  return { samples: SAMPLES, pollMs: POLL_MS, availableMs: summary(available), endMs: summary(end), real: REAL };
}

function summary(all: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = [...all].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

void measure().then((figures) => console.log(JSON.stringify(figures)));
