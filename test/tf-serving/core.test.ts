import { Scenario, soFar } from './scenario';

// Points of the reference (§12) that the recordings at hand do not hold, or not by themselves.

test('START can be final: un-aspired before its load began, a version is forgotten without an event (s010)', async () => {
  const s = new Scenario({ loadThreads: 1 });
  s.version('m/1', 'sleep=500');
  void s.reload({});
  await s.until(0);
  s.version('m/2');
  void s.reload({ m: 'specific{versions:1 versions:2}' });
  await s.until(160); // 2 goes first, at 150; 1 would go at 250.
  void s.reload({});
  await s.until(5_000);
  expect(s.states('m')).toBe('2:END 1:START');
});

test('a load waits for requests of other models before AVAILABLE, and serves meanwhile (s015)', async () => {
  const s = new Scenario();
  s.version('k/1');
  s.version('m/1');
  void s.reload({ k: '', m: 'specific{versions:1}' });
  await s.until(900);
  const held = s.hold({ name: 'k' });
  s.version('m/2');
  void s.reload({ k: '', m: 'specific{versions:1 versions:2}' });
  await s.until(4_000);
  expect(s.states('m')).toBe('2:LOADING 1:AVAILABLE');
  expect(s.answer({ name: 'm', version: 2n })).toBe('OK v2');
  expect(s.answer({ name: 'm' })).toBe('OK v2');
  held.release();
  await s.until(4_001);
  expect(s.events.at(-1)).toBe('4000 m/2 Available');
});

test('while a swap waits no transition of any model begins; status and requests go on (§5, E6)', async () => {
  const s = new Scenario();
  s.version('m/1');
  s.version('o/1');
  void s.reload({ m: 'specific{versions:1}', o: '' });
  await s.until(900);
  const held = s.hold({ name: 'o' });
  s.version('m/2');
  void s.reload({ m: 'specific{versions:2}', o: '' });
  await s.until(1_400);
  s.version('o/2');
  const accepted = await s.reload({ m: 'specific{versions:2}', o: '' });
  expect(accepted).toBe('1400 OK');
  await s.until(5_000);
  expect(s.states('o')).toBe('1:AVAILABLE');
  expect(s.states('m')).toBe('2:LOADING 1:AVAILABLE');
  held.release();
  await s.until(5_200);
  expect(s.states('o')).toMatch(/^2:/);
});

test('a whole model left out is taken down at the next tick, without a poll, and its load with it (s033)', async () => {
  const s = new Scenario({ pollWaitSeconds: 2 });
  s.version('m/1');
  s.version('m/2', 'sleep=3000');
  void s.reload({ m: 'specific{versions:1}' });
  await s.until(900);
  void s.reload({ m: 'specific{versions:1 versions:2}' });
  await s.until(2_500);
  expect(s.states('m')).toBe('2:LOADING 1:AVAILABLE');
  expect(await s.reload({})).toBe('2500 OK');
  await s.until(6_000);
  expect(s.events.slice(-3)).toEqual(['2550 m/1 Unloading', '2550 m/1 End', '5150 m/2 End CANCELLED: Loading of servable cancelled']);
});

test('a first load that its reload waits for cannot be stopped by another reload: that one waits for the lock (§15 E3)', async () => {
  const s = new Scenario();
  s.version('m/1', 'sleep=3000');
  void s.reload({});
  await s.until(0);
  const first = soFar(s.reload({ m: '' }));
  await s.until(1_000);
  const second = soFar(s.reload({}));
  await s.until(4_000);
  expect(first.value).toBe('3150 OK');
  expect(second.value).toBe('3150 OK');
  expect(s.states('m')).toBe('1:END');
});

test('named again while the cancelled load still runs, a version loads anew after it is gone (s026)', async () => {
  const s = new Scenario();
  s.version('m/1');
  s.version('m/2', 'sleep=2010');
  void s.reload({ m: 'specific{versions:1}' });
  await s.until(900);
  void s.reload({ m: 'specific{versions:1 versions:2}' });
  await s.until(1_500);
  void s.reload({ m: 'specific{versions:1}' });
  await s.until(2_500);
  void s.reload({ m: 'specific{versions:1 versions:2}' });
  await s.until(8_000);
  expect(s.events.filter((event) => event.includes('m/2'))).toEqual([
    '1150 m/2 Start', '1150 m/2 Loading', '3160 m/2 End CANCELLED: Loading of servable cancelled', '3250 m/2 Start', '3250 m/2 Loading', '5260 m/2 Available',
  ]);
});

test('removed and named again while it still unloads: UNKNOWN by the END of the unload, and it loads all the same (s006)', async () => {
  const s = new Scenario();
  s.version('m/1');
  void s.reload({ m: '' });
  await s.until(2_000);
  const held = s.hold({ name: 'm' });
  void s.reload({});
  await s.until(2_300);
  const again = soFar(s.reload({ m: '' }));
  await s.until(2_500);
  held.release();
  await s.until(5_000);
  expect(again.value).toBe('2500 UNKNOWN: 1 model(s) did not become available: {{{name: m version: 1}}, }');
  expect(s.states('m')).toBe('1:AVAILABLE');
});

test('removed and named again around a poll inside one tick: nothing changes, and the reload blocks for ever (s061)', async () => {
  const s = new Scenario();
  s.version('m/1');
  void s.reload({ m: '' });
  await s.until(2_060);
  void s.reload({});
  await s.until(2_062);
  const again = soFar(s.reload({ m: '' }));
  await s.until(30_000);
  expect(again.value).toBeUndefined();
  expect(s.states('m')).toBe('1:AVAILABLE');
});

test('versions 2.9 to 2.18: a cancelled load that succeeds stays LOADING for ever (§14)', async () => {
  const s = new Scenario({ endCancelledLoads: false });
  s.version('m/1');
  s.version('m/2', 'sleep=2000');
  void s.reload({ m: 'specific{versions:1}' });
  await s.until(900);
  void s.reload({ m: 'specific{versions:1 versions:2}' });
  await s.until(1_500);
  void s.reload({ m: 'specific{versions:1}' });
  await s.until(60_000);
  expect(s.states('m')).toBe('2:LOADING 1:AVAILABLE');
});

test('labels: the flag lets a new label point anywhere, and still refuses to move one to an unavailable version (s131)', async () => {
  const s = new Scenario({ allowLabelsForUnavailable: true });
  s.version('m/1');
  const label = (version: number): string => `version_labels{key:'stable' value:${version}}`;
  expect(soFar(s.reload({ m: 'specific{versions:1}' }, label(1)))).toEqual({ value: undefined });
  await s.until(900);
  expect(s.answer({ name: 'm', label: 'stable' })).toBe('OK v1');
  expect(await s.reload({ m: 'specific{versions:1}' }, label(2))).toMatch(/ FAILED_PRECONDITION: Request to assign label to version 2 of model m/);
  expect(await s.reload({ m: 'specific{versions:1}' })).toBe('900 OK'); // Dropped in one reload …
  expect(s.answer({ name: 'm', label: 'stable' })).toBe('INVALID_ARGUMENT: Unrecognized servable version label: stable');
  expect(await s.reload({ m: 'specific{versions:1}' }, label(2))).toBe('900 OK'); // … and added again in the next.
  expect(s.answer({ name: 'm', label: 'stable' })).toBe('NOT_FOUND: Servable not found for request: Specific(m, 2)');
});

test('labels in the first list fail the start without the flag (§8)', async () => {
  const s = new Scenario();
  s.version('m/1');
  expect(await s.reload({ m: '' }, "version_labels{key:'stable' value:1}")).toBe(
    '0 FAILED_PRECONDITION: Request to assign label to version 1 of model m, which is not currently available for inference');
});

test('a negative poll interval never looks: nothing ever loads (§3)', async () => {
  const s = new Scenario({ pollWaitSeconds: -1 });
  s.version('m/1');
  const start = soFar(s.reload({ m: '' }));
  await s.until(60_000);
  expect(start.value).toBeUndefined();
  expect(s.events).toEqual([]);
});

test('a file where the listing of a base path should be freezes discovery as a missing one does (§3)', async () => {
  const s = new Scenario();
  s.version('m/1');
  void s.reload({ m: '' });
  await s.until(900);
  s.files.apply({ do: 'touch', path: '/models/f' });
  void s.reload({ m: '', f: '' });
  s.version('m/2');
  await s.until(5_000);
  expect(s.states('m')).toBe('1:AVAILABLE');
  expect(s.warnings.at(-1)).toContain('FileSystemStoragePathSource encountered a filesystem access error');
});

test('a missing base path keeps what is loaded and says why nothing moves (§3, s007)', async () => {
  const s = new Scenario();
  s.version('m/1');
  void s.reload({ m: '' });
  await s.until(900);
  s.remove('m');
  await s.until(3_000);
  expect(s.states('m')).toBe('1:AVAILABLE');
  expect(s.warnings.at(-1)).toBe('FileSystemStoragePathSource encountered a filesystem access error: Could not find base path /models/m for servable m with error NOT_FOUND: /models/m not found');
});

test('an emptied base path unloads the model, under any policy (§3)', async () => {
  const s = new Scenario();
  s.version('m/1');
  void s.reload({ m: 'specific{versions:1}' });
  await s.until(900);
  s.remove('m/1');
  await s.until(1_200);
  expect(s.states('m')).toBe('1:END');
  expect(s.warnings).toContain("No versions of servable m found under base path /models/m. Did you forget to name your leaf directory as a number (eg. '/1/')?");
});

test('the sentinel: a new name with an absent version fails within a poll when its directory is bad, and the rest of the list is applied (§15 E1f, E1l)', async () => {
  const s = new Scenario();
  s.version('ok/1');
  s.version('ok/2');
  s.version('sentinel/0', 'fail=1');
  void s.reload({ ok: 'specific{versions:1}' });
  await s.until(1_500);
  const sentinel = (name: string): string => `config{name:'${name}' base_path:'/models/sentinel' model_platform:'tensorflow' model_version_policy{specific{versions:0}}}`;
  const ok = (versions: string): string => `config{name:'ok' base_path:'/models/ok' model_platform:'tensorflow' model_version_policy{specific{${versions}}}}`;
  const registered = soFar(s.reloadText(`model_config_list{${ok('versions:1 versions:2')} ${sentinel('n')}}`));
  await s.until(2_500);
  expect(registered.value).toMatch(/^2250 UNKNOWN: 1 model\(s\) did not become available: \{\{\{name: n version: 0\} due to error: NOT_FOUND/);
  expect(s.states('ok')).toBe('2:AVAILABLE 1:AVAILABLE');
  s.version('n/5', 'sleep=3000');
  expect(await s.reloadText(`model_config_list{${ok('versions:1 versions:2')} config{name:'n' base_path:'/models/n' model_platform:'tensorflow' model_version_policy{specific{versions:5}}}}`)).toBe('2500 OK');
  await s.until(3_200);
  expect(s.states('n')).toBe('5:LOADING 0:END(NOT_FOUND)');
});

test('a reload queued behind a blocked one is applied when the lock is freed, whoever still waits for it (§15 E1k)', async () => {
  const s = new Scenario();
  s.version('ok/1');
  s.version('ok/2');
  s.files.apply({ do: 'mkdir', path: '/models/n' });
  void s.reload({ ok: 'specific{versions:1}' });
  await s.until(900);
  const blocked = soFar(s.reload({ ok: 'specific{versions:1}', n: '' }));
  await s.until(1_000);
  void s.reload({ ok: 'specific{versions:2}' });
  await s.until(10_000);
  expect(blocked.value).toBeUndefined();
  expect(s.states('ok')).toBe('1:AVAILABLE');
  s.version('n/1', 'fail=1');
  await s.until(13_000);
  expect(blocked.value).toMatch(/^10150 UNKNOWN/);
  expect(s.states('ok')).toBe('2:AVAILABLE 1:END');
});
