// npm run bench:fetch -- [--json] [--servers range,versity,tls] [--cases A,B,C] [--only segue,rclone] [--rounds 5] [--install] [--flat 100]
// How long one version takes from a bucket to a durable directory, side by side with what else one would use. Ratios within a column count, never seconds between machines.
// --install builds or installs the peers that are missing, once (Go, pip). --flat N: instead of a contest, N fetches in one process, and whether its memory grows.

import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { CASES, clean, CONTESTANTS, once, prepare, Server, upload } from './contest';
import type { Case, Contestant, Cost, ServerKind } from './contest';
import { flat } from './flat';
import { tools } from './tools';
import type { Tools } from './tools';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false }, servers: { type: 'string', default: 'range,versity' }, cases: { type: 'string', default: 'A,B,C' }, only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' }, install: { type: 'boolean', default: false }, flat: { type: 'string' },
  },
});

interface Row {
  readonly contestant: string;
  readonly kind: Contestant['kind'];
  readonly medianSeconds: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
  readonly cpuSeconds: number;
  readonly rssMb: number;
  readonly serverCpuSeconds: number;
  /** Median of the ratios within one round: what the machine did at that time hits both. */
  readonly toBestPeer?: number;
  readonly toBestPeerSpread?: readonly [number, number];
  readonly toFloor?: number;
  readonly toFloorSpread?: readonly [number, number];
}

interface Block {
  readonly server: ServerKind;
  readonly case: Case;
  readonly bestPeer?: string;
  readonly rows: readonly Row[];
  readonly out: Readonly<Record<string, string>>;
  readonly load: number;
}

async function main(): Promise<void> {
  const found = await tools(values.install);
  if (values.flat !== undefined) {
    console.log(JSON.stringify(await flat(Number(values.flat), found)));
    return;
  }
  const blocks: Block[] = [];
  for (const kind of values.servers.split(',') as ServerKind[]) {
    for (const name of values.cases.split(',') as Case[]) {
      const block = await contest(kind, name, found);
      blocks.push(block);
      if (!values.json) console.log(table(block));
    }
  }
  clean();
  if (values.json) console.log(JSON.stringify({ rounds: Number(values.rounds), missing: found.missing, blocks }, undefined, 1));
  else for (const [name, why] of Object.entries(found.missing)) console.log(`not here: ${name} (${why})`);
}

async function contest(kind: ServerKind, name: Case, found: Tools): Promise<Block> {
  const digests = prepare(name);
  const only = values.only.split(',').filter((one) => one !== '');
  let running = CONTESTANTS.filter((one) => one.servers.includes(kind) && one.cases.includes(name) && one.needs.every((need) => found.at[need] !== undefined) && (only.length === 0 || only.includes(one.name)));
  const out: Record<string, string> = {};
  const costs = new Map<string, Cost[]>(running.map((one) => [one.name, []]));
  const server = await Server.start(kind, found);
  try {
    if (kind === 'versity') upload(server, name, found);
    // The round before the first is a rehearsal: every byte is checked, and nothing counted.
    for (let round = -1; round < Number(values.rounds); round++) {
      for (const one of shuffled(running, round)) {
        const cost = once(one, server, name, found, round < 0 ? digests : undefined);
        if (typeof cost === 'string') {
          out[one.name] = cost;
          running = running.filter((other) => other !== one);
        } else if (round >= 0) costs.get(one.name)?.push(cost);
      }
      process.stderr.write(`${kind} ${name}: round ${round + 1} of ${values.rounds}\n`);
    }
  } finally {
    server.stop();
  }
  return { server: kind, case: name, ...summarised(running, costs), out, load: Number((loadavg()[0] ?? 0).toFixed(1)) };
}

function summarised(running: readonly Contestant[], costs: ReadonlyMap<string, readonly Cost[]>): Pick<Block, 'bestPeer' | 'rows'> {
  const of = (name: string): readonly Cost[] => costs.get(name) ?? [];
  const seconds = (name: string): readonly number[] => of(name).map((cost) => cost.seconds);
  const peers = running.filter(({ kind }) => kind === 'peer').sort((a, b) => median(seconds(a.name)) - median(seconds(b.name)));
  const [best] = peers;
  const floor = running.find(({ kind, name }) => kind === 'floor' && name !== 'floor-sha');
  const against = (name: string, other: string | undefined): readonly number[] | undefined => (other === undefined ? undefined : seconds(name).map((value, round) => value / (seconds(other)[round] ?? Number.NaN)));
  const rows = running.map(({ name, kind }): Row => {
    const [toPeer, toFloor] = [against(name, best?.name), against(name, floor?.name)];
    return {
      contestant: name, kind, medianSeconds: round(median(seconds(name))), minSeconds: round(Math.min(...seconds(name))), maxSeconds: round(Math.max(...seconds(name))),
      cpuSeconds: round(median(of(name).map((cost) => cost.cpuSeconds))), rssMb: Math.round(median(of(name).map((cost) => cost.rssMb))), serverCpuSeconds: round(median(of(name).map((cost) => cost.serverCpuSeconds))),
      ...(toPeer === undefined ? {} : { toBestPeer: round(median(toPeer)), toBestPeerSpread: spread(toPeer) }),
      ...(toFloor === undefined ? {} : { toFloor: round(median(toFloor)), toFloorSpread: spread(toFloor) }),
    };
  });
  return { ...(best === undefined ? {} : { bestPeer: best.name }), rows: rows.sort((a, b) => a.medianSeconds - b.medianSeconds) };
}

function table({ server, case: name, rows, out, bestPeer, load }: Block): string {
  const cell = (ratio: number | undefined, range: readonly [number, number] | undefined): string => (ratio === undefined ? '-' : `${ratio.toFixed(2)} (${range?.map((value) => value.toFixed(2)).join('..')})`);
  return [
    `**${server} ${name}**: ${CASES[name].what}; best peer ${bestPeer ?? 'none'}; load ${load}`, '',
    '| contestant | median s | min..max | CPU s | RSS MB | to best peer | to C floor |', '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows.map((row) => `| ${row.contestant} | ${row.medianSeconds.toFixed(2)} | ${row.minSeconds.toFixed(2)}..${row.maxSeconds.toFixed(2)} | ${row.cpuSeconds.toFixed(2)} | ${row.rssMb} | ${cell(row.toBestPeer, row.toBestPeerSpread)} | ${cell(row.toFloor, row.toFloorSpread)} |`),
    ...Object.entries(out).map(([contestant, why]) => `out: ${contestant}: ${why}`), '',
  ].join('\n');
}

/** Another order for each round, the same in each run of the benchmark. */
function shuffled<T>(list: readonly T[], round: number): readonly T[] {
  let state = (round + 2) * 2_654_435_761;
  return list.map((value) => ({ value, key: (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) })).sort((a, b) => a.key - b.key).map(({ value }) => value);
}

function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] ?? Number.NaN : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

function spread(list: readonly number[]): readonly [number, number] {
  return [round(Math.min(...list)), round(Math.max(...list))];
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

main().catch((error: unknown) => { console.error(error); process.exitCode = 1; });
