// One timeline played to the simulator's core, line by line; what came of it.

import { hiddenHolds } from './hidden-holds';
import { Oracle } from './oracle';
import { RANDOM_PHASE, SCENARIO_PHASES, type Phase } from './phases';
import { samplerOf } from './sampling';
import { Stage, type Answer, type Happened, type ReloadOutcome } from './stage';
import { THE_MODEL, type Entry, type Timeline } from './timeline';

export interface Replayed {
  readonly happened: readonly Happened[];
  readonly created: Answer | undefined;
  /** In the order of the reload> lines. */
  readonly reloads: readonly ReloadOutcome[];
  /** By line: what a status, handle or take line shows here. */
  readonly samples: ReadonlyMap<number, string>;
  /** Between printed lines: what changed here and not in the recording. */
  readonly sampleProblems: readonly string[];
  /** Ties between models that the recording does not know, or knows otherwise. */
  readonly choiceProblems: readonly string[];
}

/** How much later than recorded an input may be given, so that what it followed in the recording has happened here too. */
const MAX_WAIT_MS = 100;
/** After the last line: for what the recording saw just before, and comes a little later here. */
const REST_MS = 120;

/** `phase`: when the periodic threads run, where the recording does not say. */
export async function replay(timeline: Timeline, phase: Phase = timeline.phased ? RANDOM_PHASE : SCENARIO_PHASES[0]): Promise<Replayed> {
  const stage = new Stage();
  const { clock } = stage;
  const oracle = new Oracle(timeline, () => clock.nowMs());
  const holds = hiddenHolds(timeline);
  const samples = new Map<number, string>();
  const sampleUntil = samplingOf(timeline, stage);
  const sampleProblems: string[] = [];
  let answersSeen = 0;
  for (const entry of oracle.inPlayingOrder(phase.earlierMs)) {
    sampleProblems.push(...await sampleUntil(entry.atMs));
    // A hold ends just before what it sets free.
    const ending = holds.filter((hold) => hold.releasedBefore === entry.line);
    await clock.runUntil(Math.max(clock.nowMs(), ending[0]?.releasedMs ?? entry.atMs));
    for (const { id } of ending) stage.release(id);
    for (const { id } of holds.filter((hold) => hold.takenBefore === entry.line)) stage.takeAny(id);
    if (entry.kind === 'reloaded') answersSeen += 1;
    if (!timeline.phased) await untilAnswered(stage, answersSeen);
    perform(entry, timeline, stage, samples, phase, oracle);
  }
  await clock.runUntil(clock.nowMs() + REST_MS);
  stage.stop();
  const unused = oracle.unusedChoices().map(({ line, atMs }) => `line ${line}: a tie at ${atMs} that does not occur here`);
  return { happened: stage.happened, created: stage.created, reloads: stage.reloads, samples, sampleProblems, choiceProblems: [...oracle.problems, ...unused] };
}

/** The scenario's author wrote "then": what was answered before a line has to be answered before it here too. */
async function untilAnswered({ clock, reloads }: Stage, wanted: number): Promise<void> {
  const answered = (): number => reloads.filter(({ answer }) => answer !== undefined).length;
  for (let waited = 0; answered() < wanted && waited < MAX_WAIT_MS; waited += 1) await clock.runUntil(clock.nowMs() + 1);
}

function perform(entry: Entry, timeline: Timeline, stage: Stage, samples: Map<number, string>, phase: Phase, oracle: Oracle): void {
  switch (entry.kind) {
    case 'fs': return stage.files.apply(entry.action);
    case 'server': return stage.start(entry.options, entry.config, phase, (kind, due) => oracle.choose(kind, due));
    case 'reload': return stage.reload(entry.config);
    case 'release': return stage.release(entry.id);
    case 'take': {
      const text = stage.take(entry.id, entry.spec);
      const shown = timeline.entries.find((other) => other.kind === 'taken' && other.id === entry.id);
      if (shown !== undefined) samples.set(shown.line, text);
      return;
    }
    case 'handle':
      samples.set(entry.line, stage.showHandle(entry.spec));
      return;
    case 'status':
      samples.set(entry.line, stage.showStatus(entry.model === THE_MODEL ? stage.firstModel : entry.model, entry.version));
      return;
    case 'anyBlocked':
      samples.set(entry.line, String(stage.anyBlocked));
      return;
    default: // What the recording saw: compared when all is over.
  }
}

/** Takes the samples that are due, each at its instant. */
function samplingOf(timeline: Timeline, stage: Stage): (untilMs: number) => Promise<string[]> {
  const sampler = samplerOf(timeline);
  let taken = 0;
  return async (untilMs) => {
    const problems: string[] = [];
    for (let next = sampler.instants[taken]; next !== undefined && next < untilMs; next = sampler.instants[taken]) {
      taken += 1;
      await stage.clock.runUntil(next);
      problems.push(...sampler.compare(next, (what, model) => (what === 'status' ? stage.showStatus(model) : stage.showHandle({ model }))));
    }
    return problems;
  };
}
