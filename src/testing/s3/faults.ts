// What shall go wrong, where and how often: a list of rules, the first that matches a request decides it.

import { z } from 'zod';

/** `afterBytes` and `atByte` count the bytes of the answer's body. */
const FAULT = z.discriminatedUnion('kind', [
  /** Sends so many bytes, then nothing, and keeps the connection open. */
  z.strictObject({ kind: z.literal('stall'), afterBytes: z.int().nonnegative() }),
  /** Sends so many bytes at full speed, then so many a second. */
  z.strictObject({ kind: z.literal('trickle'), bytesPerSecond: z.number().positive(), afterBytes: z.int().nonnegative().optional() }),
  /** Sends so many bytes, then resets the connection (TCP RST). */
  z.strictObject({ kind: z.literal('reset'), afterBytes: z.int().nonnegative() }),
  /** An S3 error in place of the answer: 503 SlowDown, 403 AccessDenied. */
  z.strictObject({ kind: z.literal('answer'), status: z.int().min(300).max(599), code: z.string() }),
  /** Content-Length, and bytes really sent, off by so many. `declare: "none"` sends no Content-Length at all. */
  z.strictObject({ kind: z.literal('length'), declare: z.union([z.int(), z.literal('none')]).optional(), send: z.int().optional() }),
  /** From now on the object has other bytes and another ETag; with afterBytes it first sends so many of the old ones and resets. */
  z.strictObject({ kind: z.literal('change'), afterBytes: z.int().nonnegative().optional() }),
  /** Nothing at all for so long, then the answer. */
  z.strictObject({ kind: z.literal('slowHeaders'), ms: z.number().positive() }),
  /** One bit of this byte is flipped. */
  z.strictObject({ kind: z.literal('flip'), atByte: z.int().nonnegative() }),
  /** Content that is no S3 at all, as from a proxy's page, with status 200. */
  z.strictObject({ kind: z.literal('page'), html: z.string() }),
  /** Knows no ranges: 200 and the whole object, whatever part was asked for. */
  z.strictObject({ kind: z.literal('wholeObject') }),
]);

const RULE = z.strictObject({
  /** The S3 operation; GetObject when absent. */
  on: z.enum(['GetObject', 'HeadObject', 'ListObjectsV2', 'PutObject', 'DeleteObject']).optional(),
  /** `*` stands for any text; absent: every bucket, every key. A listing is matched by its prefix. */
  bucket: z.string().optional(),
  key: z.string().optional(),
  /** Requests it applies to; absent: until it is cleared. */
  times: z.int().positive().optional(),
  fault: FAULT,
});

export type Fault = z.infer<typeof FAULT>;
export type FaultRule = z.infer<typeof RULE>;

export interface Request {
  readonly operation: string;
  readonly bucket: string;
  readonly key: string;
}

export class Faults {
  #rules: { readonly rule: FaultRule; left: number }[] = [];

  /** Throws for what is no rule, naming the place. */
  add(rule: unknown): void {
    const parsed = RULE.safeParse(rule);
    if (!parsed.success) throw new Error(`not a fault rule: ${z.prettifyError(parsed.error)}`);
    this.#rules.push({ rule: parsed.data, left: parsed.data.times ?? Infinity });
  }

  clear(): void {
    this.#rules = [];
  }

  list(): readonly (FaultRule & { readonly left?: number })[] {
    return this.#rules.map(({ rule, left }) => (left === Infinity ? rule : { ...rule, left }));
  }

  /** The fault for this request, counted as used. */
  take(request: Request): Fault | undefined {
    const found = this.#rules.find(({ rule, left }) => left > 0 && matches(rule, request));
    if (!found) return undefined;
    found.left--;
    return found.rule.fault;
  }
}

function matches(rule: FaultRule, request: Request): boolean {
  return (rule.on ?? 'GetObject') === request.operation && like(rule.bucket, request.bucket) && like(rule.key, request.key);
}

function like(pattern: string | undefined, text: string): boolean {
  if (pattern === undefined) return true;
  const source = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${source.join('[^]*')}$`).test(text);
}
