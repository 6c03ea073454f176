// One server's way from what it serves to what it shall serve: observe, ask nextStep, run that step, look again.

import { CancellationScope, condition, getExternalWorkflowHandle, log, setHandler, workflowInfo } from '@temporalio/workflow';
import { ABORT_SECONDS, BEGIN_SECONDS, stepSeconds } from '../domain/bounds';
import { unreachable } from '../domain/failures';
import { knownBadFailure } from '../domain/rollout-state';
import type { Attempt, Probed, Step } from '../domain/host';
import type { Version } from '../domain/names';
import type { ServerReport, TransitionEnd } from '../domain/rollout-facts';
import { endAfterAbort, firstStep, lingeringVersions, nextStep, type Goal } from '../domain/transition';
import type { TransitionInput, TransitionResult } from '../domain/transition-io';
import { servedBefore, type ModelView, type Proof } from '../domain/view';
import { failureFrom, hostCalls } from './host-calls';
import { gateSignal, pinSignal, releaseSignal } from './messages';
import { isPinned, senseless } from './payload';

export async function transition(input: TransitionInput): Promise<TransitionResult> {
  let released = !input.bake;
  setHandler(releaseSignal, () => { released = true; }, { description: 'The bake is over: drain and unload the version before' });

  let { pin, bytes, digest } = input;
  setHandler(pinSignal, (told) => { if (isPinned(told)) ({ pin, bytes, digest = digest } = told); else senseless('pin'); }, { description: 'The listing that every server fetches by: {"pin": "…", "bytes": 1}' });

  let view: ModelView | undefined;
  let before = input.before;
  let probed: Probed | undefined;
  let proof: Proof | undefined;
  let listed = false;
  const steps: Step[] = [];

  const what = (version: Version | undefined): string => (version === undefined ? input.model : `${input.model}/${version}`);
  const attempt = (): Attempt => ({
    fleet: input.fleet, server: input.server, model: input.model, token: input.token, retain: [before?.version, input.retained].filter((version) => version !== undefined),
    ...(input.version === undefined ? {} : { version: input.version }),
    ...(input.source === undefined ? {} : { source: input.source }),
    ...(pin === undefined ? {} : { pin }),
    ...(digest === undefined ? {} : { digest }),
    ...(input.mode === 'resource' ? { alone: true } : {}),
    ...(input.knownBad === undefined ? {} : { knownBad: input.knownBad }),
    ...(input.allowReuse === undefined ? {} : { allowReuse: input.allowReuse }),
    ...(input.reportTo === undefined ? {} : { reportTo: input.reportTo }),
  });
  const takesOver = (): boolean => input.version !== before?.version;
  const goal = (): Goal => ({
    mode: input.mode,
    ...(input.version === undefined ? {} : { version: input.version }),
    ...(pin === undefined ? {} : { pin }),
    ...(digest === undefined ? {} : { digest }),
    ...(input.knownBad === undefined ? {} : { knownBad: input.knownBad }),
    ...(released || before?.version === undefined || before.version === input.version ? {} : { keep: before.version }),
  });
  const report = (): ServerReport | undefined => view && {
    server: input.server, token: input.token, aspired: view.aspired, lingering: lingeringVersions(view), listed,
    ...(before === undefined ? {} : { before }),
    ...(view.promoted === undefined ? {} : { serving: view.promoted }),
    ...(input.version === undefined ? {} : contentOf(view, input.version)),
    ...(probed === undefined ? {} : { probed }),
    ...(proof === undefined ? {} : { proof }),
  } as ServerReport;

  let at: Step | 'beginAttempt' = 'beginAttempt';
  const seconds = (step: Step): number => stepSeconds(step, { ...input, bytes: bytes ?? view?.partial?.of });
  const begin = (): Promise<ModelView> => {
    const first = firstStep(input);
    const name = `${what(input.version)} at ${input.token.join('.')}`;
    if (first.kind === 'begin') return hostCalls(input, `begin ${name}`, BEGIN_SECONDS).beginAttempt(attempt());
    return hostCalls(input, `begin and ${WORDS[first.step]} ${name}`, BEGIN_SECONDS + seconds(first.step))[first.step]({ ...attempt(), begins: true });
  };
  const work = async (): Promise<TransitionEnd> => {
    view = await begin();
    if (view.partial !== undefined && firstStep(input).kind === 'step') steps.push('downloadVersion');
    before ??= servedBefore(view, input.token);
    // Bytes that its host listed for itself may lie in staging; what is verified and listed is what every server gets.
    if (input.overtakes === true) await condition(() => pin !== undefined);
    let told = false;
    for (;;) {
      const next = nextStep(goal(), view);
      switch (next.kind) {
        case 'done': return { kind: 'served', steps };
        case 'refused': return { kind: 'failed', failure: knownBadFailure({ model: input.model, version: input.version ?? ('' as Version) }, next) };
        case 'waiting':
          if (!told) await tellParent(report());
          told = true;
          await condition(() => released);
          break;
        case 'step':
          at = next.step;
          steps.push(next.step);
          listed ||= changesList(next.step);
          view = await run(next.step, next.version);
          break;
        default: unreachable(next);
      }
    }
  };
  const run = async (step: Step, version: Version): Promise<ModelView> => {
    const host = hostCalls(input, `${WORDS[step]} ${what(version)}`, seconds(step));
    switch (step) {
      case 'downloadVersion': case 'verifyVersion': case 'stageVersion': case 'reloadConfig': return host[step](attempt());
      case 'awaitAvailable': {
        const { probed: asked, ...seen } = await host.awaitAvailable({ attempt: attempt(), version, loadDeadlineSeconds: input.loadDeadlineSeconds, ...(input.probe === undefined ? {} : { probe: input.probe }) });
        probed = asked;
        return seen;
      }
      case 'drainVersion': return host.drainVersion({ attempt: attempt(), version, drainSeconds: input.drainSeconds });
      // Another version has taken over: of those before only the one that leaves now is kept, and the disk holds two.
      case 'unloadVersion': return host.unloadVersion({ attempt: { ...attempt(), ...(takesOver() ? { retain: before?.version === undefined ? [] : [before.version] } : {}) }, version, unloadDeadlineSeconds: input.unloadDeadlineSeconds });
      default: return unreachable(step);
    }
  };
  /** Closes the token on the host and takes its proof. False: no proof was to be had within the bound; the host is fenced before its next use. */
  const abort = async (): Promise<boolean> => {
    try {
      const stop = await hostCalls(input, `abort ${what(input.version)} at ${input.token.join('.')}`, ABORT_SECONDS).abortAttempt(attempt());
      proof = stop.proof;
      view = stop.view;
      before ??= servedBefore(view, input.token);
      return true;
    } catch (error) {
      log.warn('no proof that the attempt stopped', { server: input.server, token: input.token.join('.'), error: failureFrom(error, 'beginAttempt', input.server) });
      return false;
    }
  };

  // The root scope learns of a cancellation; everything below runs on regardless and decides by that intent, never by the type of an error (DESIGN §5).
  let stop = false;
  CancellationScope.current().cancelRequested.catch(() => { stop = true; });
  return CancellationScope.nonCancellable(async () => {
    const scope = new CancellationScope();
    let settled = false;
    const outcome = scope.run(work)
      .catch((error: unknown): TransitionEnd => {
        const failure = failureFrom(error, at, input.server);
        return failure === 'notSeen' ? { kind: 'notSeen' } : { kind: 'failed', failure };
      })
      .finally(() => { settled = true; });
    await condition(() => settled || stop);
    if (!settled) {
      scope.cancel();
      // Both at once: the heartbeat carries the cancellation within a second, the host's own abort within milliseconds. Then both are awaited.
      const [seen] = await Promise.all([abort(), outcome]);
      return close(endAfterAbort(input.token, undefined, seen));
    }
    const end = await outcome;
    // Nothing of a failed attempt may act later, and its candidate leaves the list: {A} from {A,B} is clean. One that a newer attempt overtook only takes its proof.
    if (end.kind !== 'failed') return close(end);
    const seen = await abort();
    return close(endAfterAbort(input.token, end, seen));
  });

  function close(end: TransitionEnd): TransitionResult {
    const last = report();
    return last === undefined ? { end } : { end, report: last };
  }
}

async function tellParent(report: ServerReport | undefined): Promise<void> {
  const parent = workflowInfo().parent;
  if (parent === undefined || report === undefined) return;
  await getExternalWorkflowHandle(parent.workflowId, parent.runId).signal(gateSignal, report);
}

function contentOf({ staged }: ModelView, version: Version): Pick<ServerReport, 'digest' | 'heldAgainst'> {
  const { digest, heldAgainst } = staged[version] ?? {};
  return { ...(digest === undefined ? {} : { digest }), ...(heldAgainst === undefined ? {} : { heldAgainst }) };
}

function changesList(step: Step): boolean {
  return step === 'reloadConfig' || step === 'drainVersion' || step === 'unloadVersion';
}

const WORDS: Readonly<Record<Step, string>> = {
  downloadVersion: 'download', verifyVersion: 'verify', stageVersion: 'stage', reloadConfig: 'reload config with',
  awaitAvailable: 'await AVAILABLE of', drainVersion: 'drain', unloadVersion: 'unload',
};

