// Which ops the graph is made of, held against what the exporter wrote down and what the server has (TF Serving reference §10.10).

import type { Finding } from './finding';
import { GRAPH_PATH } from './saved-model';
import type { MetaGraph } from './saved-model';

export interface OpsWanted {
  /** What the server's build registers. Without it nothing is said about single ops but what the graph says of itself. */
  readonly allowedOps?: ReadonlySet<string> | undefined;
  /** `2.19.1`, or only its beginning. */
  readonly serverVersion?: string | undefined;
}

/** Each op once, with a node that uses it. Calls of the graph's own functions are no ops. */
export type OpsUsed = ReadonlyMap<string, string>;

/** Enough to see what is meant; a graph from another framework would name hundreds. */
const MAX_NAMED = 5;
/** They call into a Python interpreter, which no model server has: the load succeeds and the call fails. */
const PYTHON_OPS = ['PyFunc', 'PyFuncStateless', 'EagerPyFunc'];

/** An op the server has not fails the load; what only looks odd is a warning. */
export function checkOps({ rest }: MetaGraph, used: OpsUsed, { allowedOps, serverVersion }: OpsWanted): { readonly findings: Finding[]; readonly warnings: Finding[] } {
  const at = (message: string): Finding => ({ check: 'ops', path: GRAPH_PATH, message });
  const listed = new Set(rest.metaInfoDef?.strippedOpList?.op.map(({ name }) => name));
  const foreign = allowedOps === undefined ? [] : [...used.keys()].filter((op) => !allowedOps.has(op));
  // Tools that rewrite a graph (TensorRT's, for one) do not always write the list anew.
  const unlisted = listed.size === 0 ? [] : [...used.keys()].filter((op) => !listed.has(op));
  const python = PYTHON_OPS.filter((op) => used.has(op));
  const wrote = rest.metaInfoDef?.tensorflowVersion ?? '';
  return {
    findings: foreign.length === 0 ? [] : [at(`the server has no op ${named(foreign, used)}`)],
    warnings: [
      ...(unlisted.length === 0 ? [] : [at(`the exporter's own list of ops does not have ${named(unlisted, used)}`)]),
      ...(python.length === 0 ? [] : [at(`needs a Python interpreter, which no server has: ${named(python, used)}`)]),
      ...(serverVersion !== undefined && isNewer(wrote, serverVersion) ? [at(`was written by TensorFlow ${wrote.slice(0, 40)}, newer than the server's ${serverVersion}`)] : []),
    ],
  };
}

function named(ops: readonly string[], used: OpsUsed): string {
  const shown = ops.slice(0, MAX_NAMED).map((op) => `${JSON.stringify(op.slice(0, 100))} (node ${JSON.stringify((used.get(op) ?? '').slice(0, 100))})`);
  return `${shown.join(', ')}${ops.length > MAX_NAMED ? ` and ${ops.length - MAX_NAMED} more` : ''}`;
}

/** By major and minor: a patch release changes no graph. What is no version is not newer than any. */
function isNewer(wrote: string, serverVersion: string): boolean {
  const [major, minor] = majorMinor(wrote);
  const [serverMajor, serverMinor] = majorMinor(serverVersion);
  return major > serverMajor || (major === serverMajor && minor > serverMinor);
}

function majorMinor(version: string): readonly [number, number] {
  const [, major = '0', minor = '0'] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return [Number(major), Number(minor)];
}
