// Mistakes that planners could have: each one text of one file replaced, with the harm it would do. `npm run mutants` shows that each is found out, and by which check.

export interface Mutant {
  readonly file: string;
  /** Stands there exactly once. */
  readonly text: string;
  readonly instead: string;
  readonly harm: string;
}

const of = (file: string) => (text: string, instead: string, harm: string): Mutant => ({ file: `src/domain/${file}.ts`, text, instead, harm });
const transition = of('transition');
const rollout = of('rollout');
const state = of('rollout-state');
const fleet = of('fleet');
const plan = of('fleet-plan');
const list = of('list');
const verdict = of('verdict');

export const MUTANTS: readonly Mutant[] = [
  transition("if (goal.mode === 'resource') return leaveAll", "if (goal.mode === 'availability') return leaveAll", 'the old version leaves before the new one serves'),
  transition("&& view.promoted === version;", ';', 'AVAILABLE counts as served without the probe'),
  transition("if (lingering !== undefined) return step('unloadVersion', lingering);\n  if (goal.mode", 'if (goal.mode', 'a new candidate is listed while the stale one still loads'),
  transition('isSameContent(goal, staged)) return refuseKnownBad(goal, staged.digest);', 'true) return refuseKnownBad(goal, staged.digest);', 'other content under the number counts as there'),
  transition("version !== wanted && version !== goal.keep", 'version !== wanted', 'the old version leaves during the bake'),
  transition("view.drained.includes(first) ? 'unloadVersion' : 'drainVersion'", "view.drained.includes(first) ? 'drainVersion' : 'unloadVersion'", 'unloaded without a drain'),
  transition("partial?.version !== wanted || (goal.pin !== undefined && partial.pin !== goal.pin)", 'partial?.version !== wanted', 'bytes of another listing are gone on with'),
  transition("case 'fetched': return step('verifyVersion', wanted);", "case 'fetched': return step('stageVersion', wanted);", 'staged without being verified'),
  transition("if (goal.digest !== undefined) return goal.digest === staged.digest;", '', 'a digest that differs is not seen'),
  transition(' && holds[0] === token[0]', '', 'what a newer rollout overtook counts as stopped by its own'),
  transition(' && compareTokens(token, holds) <= 0', '', 'what its host never heard of counts as stopped'),
  transition('isServing(wanted, view) && view.staged[wanted] !== undefined', 'isServing(wanted, view)', 'files that are gone never come back'),
  transition('digest !== undefined && knownBad.includes(digest)', 'false', 'content known to be bad is listed'),
  transition("goal.keep !== undefined && view.aspired.includes(goal.keep) ? { kind: 'waiting'", "goal.keep === undefined && view.aspired.includes(goal.keep as never) ? { kind: 'waiting'", 'no gate is waited at'),

  rollout("if (state.wish.kind !== 'serve' || failureOf(state) !== undefined) return planEnding", "if (state.wish.kind !== 'serve') return planEnding", 'a failure does not end it'),
  rollout("if (running.length > 0 || state.resolving !== undefined) return { phase: 'stopping', actions: [...stops", "if (false as boolean) return { phase: 'stopping', actions: [...stops", 'it ends while its work still runs'),
  rollout("case 'abort': return planBack(state, 'aborted', undefined);", "case 'abort': return finish(state, 'aborted', undefined);", 'an abort leaves the candidate where it is'),
  rollout("case 'rollback': return planBack(state, 'rolledBack', undefined);", "case 'rollback': return finish(state, 'rolledBack', undefined);", 'a rollback goes back nowhere'),
  rollout("if (server.before === undefined) return false;", 'if (server.before === undefined) return true;', 'what nobody saw before is unloaded'),
  rollout("server.end?.kind === 'served' || server.end?.kind === 'notSeen' ||", "server.end?.kind === 'served' || server.notSeen ||", 'whoever was silent once is not brought back'),
  rollout("...listAhead(state), ...overtakes", '...overtakes', 'the new source is listed only after the stop'),
  rollout("namesWhere(state, (server) => server.overtaken !== undefined || (server.activity", 'namesWhere(state, (server) => (server.activity', 'it ends while what was overtaken still runs'),
  rollout('if (overtaken.length > 0) return', 'if (false as boolean) return', 'it is served while what was overtaken still runs'),
  rollout("&& serverOf(state, name).overtaken === undefined);", ');', 'three attempts of a server run at once'),
  transition("overtakes === true && version !== undefined ?", 'version !== undefined ?', 'every attempt fetches before it has looked'),
  rollout("...(fetches(state) ? { overtakes: true } : {})", '', 'what overtakes looks first'),
  rollout("...(fetches(state) ? { overtakes: true } : {})", '...{ overtakes: true }', 'what has no listing to fetch by waits for one'),
  rollout("if (pins.length > 0) return", 'if (false as boolean) return', 'who began before the listing is never told it'),
  rollout("server.unpinned === true && server.activity === 'transition' && server.attempt === state.attempt", 'server.unpinned === true', 'who is being stopped is told the listing of another source'),
  rollout("|| state.resolving !== undefined || isListingAwaited(state) ?", '|| state.resolving !== undefined ?', 'a pause holds back the listing that a server on its way waits for'),
  rollout("(state.pause === undefined || isListingAwaited(state)) ?", 'state.pause === undefined ?', 'a pause and a server that is being stopped hold back the listing that another one waits for'),
  rollout('return next.slice(0, Math.max(0, room)).map((server): Action =>', 'return next.map((server): Action =>', 'an update moves more servers than may be unavailable'),
  rollout('const next = currentWave(state).members.filter((name) => stale.includes(name)', 'const next = names(state).filter((name) => stale.includes(name)', 'an update takes a server of a later wave along'),
  of('view')('before?.epoch === epoch ? before.version : promoted', 'promoted', 'what an overtaken attempt promoted counts as what was before'),
  state("listed: rest.listed || report?.listed === true,", '', 'what an overtaken attempt listed is forgotten'),
  state("if (attempt !== before.attempt) return overtakenEnded(state, server, report, attempt);", '', 'the end of an overtaken attempt counts for its successor'),
  rollout("&& (state.pause === undefined || isListingAwaited(state)) ? planResolve(state).actions", '? planResolve(state).actions', 'a pause does not hold the listing back'),
  rollout('if (server.before.version === candidate) return false;', '', 'what was served before is taken away'),
  rollout('|| server.lingering.includes(candidate);', ';', 'it says "went back" while the candidate still answers'),
  rollout("(server.direction === 'back' ? server.attempt : state.attempt) + 1", 'state.attempt', 'going back has the token that was closed'),
  rollout("if (unfenced.length > 0) {", 'if (false as boolean) {', 'work begins before the old work is fenced'),
  rollout('server.attempt < state.attempt && server.gateSinceMs === undefined', 'false', 'a stale load goes on beside the new one'),
  rollout('if (nowMs < untilMs) return { phase: \'baking\'', 'if (nowMs > untilMs) return { phase: \'baking\'', 'nothing bakes'),
  rollout('maxUnavailable - notSeen(state).length', 'maxUnavailable', 'unreachable servers are not counted'),
  rollout('const next = pending.slice(0, Math.max(0, slots(state) - moving.length));', 'const next = pending;', 'all servers change at once'),
  rollout("if (state.pause !== undefined) return planPaused(state, state.pause);\n  const later", 'const later', 'a pause pauses nothing'),
  rollout('Math.ceil((wave.percent * servers) / 100)', 'Math.floor((wave.percent * servers) / 100)', 'one percent of three servers is none'),
  rollout("if (nowMs >= untilMs) return finish(state, 'failed', failure);", '', 'a hold never ends'),
  rollout("if (namesWhere(state, (server) => server.listed).length === 0) return finish", 'if (true as boolean) return finish', 'a failure after lists changed leaves them so'),
  rollout('if (retire) return server.before.version !== undefined', 'if (retire) return false && server.before.version !== undefined', 'an aborted retirement stays half done'),

  state("if (server === undefined || compareTokens(report.token, tokenOf(state, server.attempt)) !== 0) return state;", 'if (server === undefined) return state;', 'a gate of an older attempt counts'),
  state('if (attempt !== state.attempt || asked?.stopping === true) return rest;', '', 'the listing of the old source counts for the new one'),
  state("const meant: TransitionEnd = asked && end.kind === 'failed' ? { kind: report?.proof === undefined ? 'notSeen' : 'stopped' } : end;", 'const meant: TransitionEnd = end;', 'a stopped load counts as failed'),
  fleet('request.startedMs < newest.startedMs', 'request.startedMs > newest.startedMs', 'the oldest of three wins'),
  fleet('unsettled: before !== undefined || unsettled === true', 'unsettled: before !== undefined', 'a terminated rollout is not fenced'),
  fleet('if (model.holder?.epoch !== last.epoch && !lost) return told;', 'if (model.holder?.runId !== last.runId && !lost) return told;', 'the verdict of a rollout that was reset is lost'),
  fleet('return { ...model, retired: true };', 'return model;', 'a retired model is served for ever by who was silent'),
  plan('if (want === undefined ? retired === undefined : want.source === undefined) return [];', 'if (want !== undefined && want.source === undefined) return [];', 'a fleet that lost its memory unloads what it does not know'),
  rollout('if (mayHaveActed(server)) return true;', '', 'it says that it went back, and nobody looked'),
  state("report?.proof === undefined ? 'notSeen' : 'stopped'", "report?.proof === undefined ? 'stopped' : 'stopped'", 'a stop that nobody proved is told as proven'),
  state("!(wish.kind === 'supersede' && goesBack)", "!(wish.kind === 'abort' && goesBack)", 'a superseded rollout undoes the newer one'),
  state('if (state.digest === undefined) return refuseKnownBad({ ...state, digest: report.digest }, report.digest, report.server, nowMs);', 'return state;', 'two servers serve different content under one number'),
  state("{ ...server, notSeen: false }]", '{ ...server }]', 'whoever was silent is never asked again'),
  state('attempt: state.attempt + 1, ...definite', 'attempt: state.attempt, ...definite', 'the new source has the token of the old one'),
  state("(server.before === undefined && report.before !== undefined ? { before: report.before } : {})", '(report.before !== undefined ? { before: report.before } : {})', 'what a second attempt saw counts as what was before'),
  state('return known === undefined ? state : failed(state, knownBadFailure', 'return true ? state : failed(state, knownBadFailure', 'what was rolled back is served again'),

  fleet('Math.max(state.epoch + 1, nowMs)', 'state.epoch + 1', 'a fleet that lost its state falls behind'),
  fleet('if (before?.runId === request.runId) return', 'if (before?.workflowId === request.workflowId) return', 'a reset rollout keeps an epoch that is closed'),
  fleet("if (model.holder?.epoch !== last.epoch && !lost) return told;", 'if (!lost && model.holder === undefined) return told;', 'the last word of a superseded rollout says what is stable'),
  fleet('unsettled: before !== undefined', 'unsettled: false', 'nobody fences what an earlier rollout left'),
  fleet('if (repair && model.stable !== undefined) return model;', '', 'a repair says what is stable'),
  fleet("(same === undefined && model.stable !== undefined ? { retained: model.stable } : {})", '({})', 'there is nothing to go back to'),
  fleet('compareVersions(request.version, stable.version) < 0', 'false', 'an older version is served without being meant'),
  fleet('if (request.repair !== undefined && holder !== undefined && holder.runId !== request.runId) return', 'if (false as boolean) return', "a repair takes the model from somebody's rollout"),
  fleet("last.outcome === 'retired' ? retired(rest) :", '', 'what was retired comes back'),

  plan('if (holder !== undefined) return { actions: [], waits: [{ on: \'rollout\'', 'if (false as boolean) return { actions: [], waits: [{ on: \'rollout\'', 'a repair begins during a rollout'),
  plan("filter(({ server }) => state.members[server]?.silentSinceMs === undefined)", 'filter(() => true)', 'silent servers are repaired again and again'),
  plan('seeded !== false && facts !== undefined', 'true', 'a server that said nothing counts as behind'),
  plan("if (!other && drift?.repair !== 'fleet') return [];", 'if (!other) return [];', 'files that are gone stay gone'),
  plan('if (nowMs >= untilMs) return { actions: [{ do: \'giveUp\'', 'if (false as boolean) return { actions: [{ do: \'giveUp\'', 'a repair that was terminated stops all others'),
  plan('failedRepairs?.nextMs ?? 0', '0', 'a repair that fails is tried without a pause'),
  plan('if (nowMs >= dueMs) return', 'if (nowMs <= dueMs) return', 'who polls is looked for all the time'),

  list("case 'no': return [];", "case 'no': return [listed(entry.model, basePath(root, entry.model), rising(entry.aspired), {})];", 'a name nobody registered blocks the server'),
  list("case 'asked': return [listed(entry.model, sentinelPath(root), [SENTINEL_VERSION], {})];", "case 'asked': return [];", 'a new name is never registered'),
  list('entry.promoted === undefined ? [] : [listed', 'false ? [] : [listed', 'the boot file holds what was never promoted'),
  list('filter(([, version]) => versions.includes(version))', 'filter(() => true)', 'a label dangles'),

  verdict("verdict.outcome !== 'rolledBack' || digest === undefined", 'digest === undefined', 'an abort calls content bad'),
];
