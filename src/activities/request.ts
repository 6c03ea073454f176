// The JSON that people and CI write, parsed into a RolloutRequest. zod stays here: in workflow code it costs 0.6 MiB per cached workflow.

import { z } from 'zod';
import { nearest } from '../domain/did-you-mean';
import { fail, type SegueError } from '../domain/failures';
import { NAME, parseVersion, type Digest, type FleetName, type ModelName, type ServerName, type Version } from '../domain/names';
import type { Probe, RolloutRequest, Strategy, TensorValue, Wave } from '../domain/request';
import { isArchive, type SourceRef } from '../domain/source';

/** Everything a rollout needs is references and numbers; more than this is a mistake, and Temporal would carry it through every history. */
const MAX_INPUT_BYTES = 64 * 1024;
/** A month: longer waits are forgotten waits. */
const MAX_SECONDS = 30 * 24 * 3600;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

const name = (what: string) => z.string().regex(NAME, `a ${what} is 1 to 128 letters, digits, dots, dashes or underscores and begins with a letter or digit`);
const seconds = z.number().int('whole seconds').min(0).max(MAX_SECONDS);
const text = z.string().max(2000);

const version = z.string({ error: (issue) => (typeof issue.input === 'number' ? `a version is text, because JSON numbers cannot hold an int64: write "${issue.input}"` : 'a version is text, such as "42"') })
  .superRefine((value, context) => {
    const parsed = parseVersion(value);
    if ('why' in parsed) context.addIssue({ code: 'custom', message: parsed.why });
  });

const uri = z.string().superRefine((value, context) => {
  const why = reasonNotUri(value);
  if (why !== undefined) context.addIssue({ code: 'custom', message: why });
});

const endpoint = z.string().superRefine((value, context) => {
  const why = reasonNotEndpoint(value);
  if (why !== undefined) context.addIssue({ code: 'custom', message: why });
});

const credentials = z.string().regex(/^(env|anonymous|(profile|file):[A-Za-z0-9][A-Za-z0-9._-]{0,127})$/, 'credentials are a reference, never a secret: "env", "anonymous", "profile:NAME" or "file:NAME"');

const source = z.strictObject({ uri, endpoint: endpoint.optional(), region: z.string().regex(/^[a-z0-9-]{1,64}$/).optional(), credentials: credentials.optional() });

const wave = z.string().regex(/^([1-9][0-9]{0,5}|([1-9][0-9]?|100)%)$/, 'a wave is a number of servers such as "1", or a share such as "25%"');

const strategy = z.strictObject({
  waves: z.array(wave).min(1).max(100).optional(),
  maxUnavailable: z.number().int().min(1).max(10_000).optional(),
  mode: z.enum(['availability', 'resource']).optional(),
  bakeSeconds: seconds.optional(),
  drainSeconds: seconds.optional(),
  loadDeadlineSeconds: seconds.min(1).optional(),
  unloadDeadlineSeconds: seconds.min(1).optional(),
});

const tensor: z.ZodType<TensorValue> = z.lazy(() => z.union([z.number(), z.array(tensor).max(10_000)]));
const probe = z.strictObject({
  signature: z.string().min(1).max(256).optional(),
  inputs: z.record(z.string(), tensor),
  expect: z.record(z.string(), tensor).optional(),
  tolerance: z.number().min(0).optional(),
});

const request = z.strictObject({
  fleet: name('fleet'),
  model: name('model'),
  version,
  source: source.optional(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a digest is "sha256:" and 64 lower-case hex digits').optional(),
  preferDisk: z.boolean().optional(),
  retire: z.literal(true).optional(),
  repair: z.strictObject({ servers: z.array(name('server')).min(1).max(10_000) }).optional(),
  allowKnownBad: z.boolean().optional(),
  allowDowngrade: z.boolean().optional(),
  allowReuse: z.boolean().optional(),
  strategy: strategy.optional(),
  probe: probe.optional(),
  onFailure: z.enum(['rollback', 'hold']).optional(),
  holdSeconds: seconds.optional(),
  reason: text.optional(),
  requestedBy: text.optional(),
  ciUrl: text.optional(),
}).superRefine((value, context) => {
  if (value.preferDisk === true && value.digest === undefined) context.addIssue({ code: 'custom', path: ['preferDisk'], message: 'needs a digest: without one nobody can tell whether the disks hold this version' });
  // A digest without a source is a version that the disks hold: nothing is fetched.
  if (value.source === undefined && value.digest === undefined && value.retire === undefined) context.addIssue({ code: 'custom', path: ['source'], message: 'is required' });
});

const update = z.strictObject({
  source: source.partial().extend({ endpoint: endpoint.nullable().optional() }).optional(),
  strategy: strategy.optional(),
  probe: probe.nullable().optional(),
  onFailure: z.enum(['rollback', 'hold']).optional(),
  holdSeconds: seconds.optional(),
  reason: text.optional(),
  requestedBy: text.optional(),
  ciUrl: text.optional(),
});

/** Every key there is, by the object it belongs to: for "did you mean". */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(request.shape),
  source: Object.keys(source.shape),
  strategy: Object.keys(strategy.shape),
  probe: Object.keys(probe.shape),
};

/** The request with every default filled in, or InvalidInput naming the JSON path of each mistake. */
export function parseRequest(input: unknown): RolloutRequest {
  const size = Buffer.byteLength(JSON.stringify(input) ?? '');
  if (size > MAX_INPUT_BYTES) throw fail('InvalidInput', `the request has ${size} bytes; at most ${MAX_INPUT_BYTES} are accepted`, { path: '' });
  const parsed = request.safeParse(input, { reportInput: true });
  if (!parsed.success) throw invalid(parsed.error, input, 'the rollout request');
  const { strategy: wanted = {}, probe: asked, reason, requestedBy, ciUrl, ...value } = parsed.data;
  const { digest, retire, repair } = value;
  return {
    fleet: value.fleet as FleetName, model: value.model as ModelName, version: value.version as Version,
    strategy: strategyWithDefaults(wanted),
    onFailure: value.onFailure ?? 'rollback', holdSeconds: value.holdSeconds ?? 3600,
    ...(value.source === undefined || retire ? {} : { source: withDefaults(value.source) }),
    ...(digest === undefined ? {} : { digest: digest as Digest }), ...(value.preferDisk ? { preferDisk: true } : {}), ...(retire === undefined ? {} : { retire }),
    ...(repair === undefined ? {} : { repair: { servers: repair.servers as ServerName[] } }),
    ...(value.allowKnownBad ? { allowKnownBad: true } : {}), ...(value.allowDowngrade ? { allowDowngrade: true } : {}), ...(value.allowReuse ? { allowReuse: true } : {}),
    ...(asked === undefined ? {} : { probe: probeWithDefaults(asked) }),
    ...(reason === undefined ? {} : { reason }), ...(requestedBy === undefined ? {} : { requestedBy }), ...(ciUrl === undefined ? {} : { ciUrl }),
  };
}

/** The request as an update leaves it: keys given replace, keys not given stay; `endpoint: null` and `probe: null` take away. */
export function parseUpdate(current: RolloutRequest, input: unknown): RolloutRequest {
  const parsed = update.safeParse(input, { reportInput: true });
  if (!parsed.success) throw invalid(parsed.error, input, 'the update');
  if (Object.keys(parsed.data).length === 0) throw fail('InvalidInput', `the update changes nothing: give at least one of ${Object.keys(update.shape).join(', ')}`, { path: '' });
  const { source: from, strategy: how, probe: asked, ...rest } = parsed.data;
  const { probe: currentProbe, source: currentSource, ...base } = current;
  const merged = mergeSource(currentSource, from);
  const probed = asked === null ? undefined : asked === undefined ? currentProbe : probeWithDefaults(asked);
  return {
    ...base, ...definedOnly(rest),
    ...(merged === undefined ? {} : { source: merged }),
    strategy: { ...current.strategy, ...definedOnly({ ...how, waves: how?.waves === undefined ? undefined : parseWaves(how.waves) }) },
    ...(probed === undefined ? {} : { probe: probed }),
  };
}

function withDefaults(from: z.infer<typeof source>): SourceRef {
  return { uri: slashed(from.uri), region: from.region ?? 'us-east-1', credentials: from.credentials ?? 'env', ...(from.endpoint === undefined ? {} : { endpoint: from.endpoint }) };
}

function mergeSource(current: SourceRef | undefined, from: z.infer<typeof update>['source']): SourceRef | undefined {
  if (from === undefined) return current;
  if (current === undefined) throw fail('InvalidInput', 'source: this rollout has no source to change: it serves what the disks hold', { path: 'source' });
  const { endpoint: old, ...rest } = current;
  const chosen = from.endpoint === null ? undefined : (from.endpoint ?? old);
  return { ...rest, uri: from.uri === undefined ? current.uri : slashed(from.uri), region: from.region ?? current.region, credentials: from.credentials ?? current.credentials, ...(chosen === undefined ? {} : { endpoint: chosen }) };
}

function strategyWithDefaults(wanted: z.infer<typeof strategy>): Strategy {
  return {
    waves: parseWaves(wanted.waves ?? ['100%']), maxUnavailable: wanted.maxUnavailable ?? 1, mode: wanted.mode ?? 'availability',
    bakeSeconds: wanted.bakeSeconds ?? 0, drainSeconds: wanted.drainSeconds ?? 0,
    loadDeadlineSeconds: wanted.loadDeadlineSeconds ?? 600, unloadDeadlineSeconds: wanted.unloadDeadlineSeconds ?? 600,
  };
}

/** Waves are cumulative; the last one is always every server, or some would never be asked. */
function parseWaves(waves: readonly string[]): readonly Wave[] {
  const parsed = waves.map((one): Wave => (one.endsWith('%') ? { percent: Number(one.slice(0, -1)) } : { count: Number(one) }));
  const last = parsed.at(-1);
  return last !== undefined && 'percent' in last && last.percent === 100 ? parsed : [...parsed, { percent: 100 }];
}

function probeWithDefaults(asked: z.infer<typeof probe>): Probe {
  return { inputs: asked.inputs, tolerance: asked.tolerance ?? 1e-6, ...(asked.signature === undefined ? {} : { signature: asked.signature }), ...(asked.expect === undefined ? {} : { expect: asked.expect }) };
}

function reasonNotUri(value: string): string | undefined {
  const match = /^s3:\/\/([^/]*)(\/.*)?$/s.exec(value);
  if (match === null) return 'a source is s3://BUCKET/PREFIX/ or one archive, s3://BUCKET/PREFIX/0002.zip';
  if (!BUCKET.test(match[1] ?? '')) return 'the bucket in s3://BUCKET/PREFIX/ is 3 to 63 lower-case letters, digits, dots and dashes';
  const prefix = (match[2] ?? '').replace(/^\//, '').replace(/\/$/, '');
  if (prefix === '') return 'a source names a prefix below the bucket: s3://BUCKET/PREFIX/';
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f?#\\]/.test(value)) return 'a source has no control characters, query, fragment or backslash (a presigned URL is a secret; give a reference in credentials)';
  if (prefix.split('/').some((part) => part === '' || part === '.' || part === '..')) return 'no part of the prefix is empty, "." or ".."';
  return undefined;
}

/** Never repeats the value: it may hold a password. */
function reasonNotEndpoint(value: string): string | undefined {
  let url: URL;
  try { url = new URL(value); } catch { return 'an endpoint is a URL such as https://s3.example.com:9000'; }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'an endpoint begins with http:// or https://';
  if (url.username !== '' || url.password !== '') return 'an endpoint carries no user or password; give a reference in credentials';
  if (url.search !== '' || url.hash !== '') return 'an endpoint has no query and no fragment';
  return undefined;
}

function slashed(value: string): string {
  return value.endsWith('/') || isArchive(value) ? value : `${value}/`;
}

function definedOnly<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function invalid(error: z.ZodError, input: unknown, what: string): SegueError {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return fail('InvalidInput', `${what} is one JSON object; found ${input === null ? 'null' : Array.isArray(input) ? 'an array' : input === undefined ? 'nothing' : typeof input}`, { path: '' });
  const issues = error.issues.flatMap(explain);
  return fail('InvalidInput', issues.map(({ path, message }) => `${path === '' ? what : path}: ${message}`).join('; '), { path: issues[0]?.path ?? '', issues });
}

function explain(issue: z.core.$ZodIssue): { path: string; message: string }[] {
  const path = issue.path.join('.');
  if (issue.code !== 'unrecognized_keys') return [{ path, message: inWords(issue) }];
  return issue.keys.map((key) => ({ path: path === '' ? key : `${path}.${key}`, message: `unknown key${suggestion(key, path)}` }));
}

/** Our own words where zod would speak of its types. */
function inWords(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type': return issue.input === undefined ? 'is required' : issue.message.startsWith('Invalid input') ? `want ${article(issue.expected)}, found ${shown(issue)}` : issue.message;
    case 'too_small': return issue.origin === 'array' ? `at least ${issue.minimum} element` : `at least ${issue.minimum}`;
    case 'too_big': return issue.origin === 'array' ? `at most ${issue.maximum} elements` : issue.origin === 'string' ? `at most ${issue.maximum} characters` : `at most ${issue.maximum}`;
    case 'invalid_union': return `want a number, or numbers in nested arrays; found ${shown(issue)}`;
    case 'invalid_value': return `want one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}; found ${shown(issue)}`;
    default: return issue.message;
  }
}

/** Never what stands in `source`, and never a whole object: either may hold a secret. */
function shown({ input, path }: z.core.$ZodIssue): string {
  if (typeof input === 'object') return input === null ? 'null' : Array.isArray(input) ? 'an array' : 'an object';
  return path[0] === 'source' ? article(typeof input) : JSON.stringify(input).slice(0, 60);
}

function article(type: string): string {
  return type === 'int' ? 'a whole number' : /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`;
}

/** First among the keys of this object, then in the others: `drainSeconds` at the top belongs to `strategy`. */
function suggestion(key: string, path: string): string {
  const here = nearest(key, KEYS[path] ?? []);
  if (here !== undefined) return `; did you mean ${JSON.stringify(here)}?`;
  for (const [parent, keys] of Object.entries(KEYS)) {
    const there = parent === path ? undefined : nearest(key, keys);
    if (there !== undefined) return `; did you mean ${JSON.stringify(parent === '' ? there : `${parent}.${there}`)}?`;
  }
  return `; known keys: ${(KEYS[path] ?? []).join(', ')}`;
}
