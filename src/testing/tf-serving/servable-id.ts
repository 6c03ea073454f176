// A version of a model, as the core names it. Versions are int64: negative ones exist (reference §3).

export interface ServableId {
  readonly name: string;
  readonly version: bigint;
}

/** "{name: m version: 1}", as it stands in texts and logs. */
export function debugString(id: ServableId): string {
  return `{name: ${id.name} version: ${id.version}}`;
}

/** Which version a caller wants: a number, or the highest there is. */
export interface ServableRequest {
  readonly name: string;
  readonly version?: bigint;
}

export function requestString(request: ServableRequest): string {
  return request.version === undefined ? `Latest(${request.name})` : `Specific(${request.name}, ${request.version})`;
}

export function compareBigint(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
