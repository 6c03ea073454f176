// The five search attributes a rollout is found by. An unregistered one fails the workflow task for ever (DESIGN §10): so they are there before we poll, or we do not poll.

import type { Connection } from '@temporalio/client';
import { errorCode, errorText } from './error-text';
import { NoTemporalError } from './no-temporal';

export const SEARCH_ATTRIBUTES = ['SegueFleet', 'SegueModel', 'SegueVersion', 'SeguePhase', 'SegueOutcome'] as const;

/** temporal.api.enums.v1.IndexedValueType: INDEXED_VALUE_TYPE_KEYWORD. */
const KEYWORD = 2;
/** gRPC codes. */
const INVALID_ARGUMENT = 3;
/** A server that has no operator service (Temporal Cloud), or does not let us use it. */
const NO_OPERATOR_SERVICE: ReadonlySet<unknown> = new Set([7, 12, 16]);
/** After a registration the server's caches may lag by their refresh interval, at most a minute by default. */
const VISIBLE_DEADLINE_MS = 90_000;
const LOOK_EVERY_MS = 200;

/** Returns those it had to create. Throws NoTemporalError with the command to run where it may not create them, or where one has another type. */
export async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<readonly string[]> {
  const missing = await missingAttributes(connection, namespace);
  if (missing.length === 0) return [];
  try {
    const searchAttributes = Object.fromEntries(missing.map((name) => [name, KEYWORD] as const));
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  } catch (error) {
    throw new NoTemporalError(`namespace ${namespace} has no search attribute ${missing.join(', ')}, and we may not create them (${errorText(error)}). Run:\n  ${createCommand(namespace, missing)}`);
  }
  await untilQueryable(connection, namespace, missing);
  return missing;
}

/** What a person with the right to do so runs instead of us. */
export function createCommand(namespace: string, names: readonly string[]): string {
  return `temporal operator search-attribute create --namespace ${namespace} ${names.map((name) => `--name ${name} --type Keyword`).join(' ')}`;
}

async function missingAttributes(connection: Connection, namespace: string): Promise<readonly string[]> {
  const listed = await connection.operatorService.listSearchAttributes({ namespace }).catch((error: unknown) => {
    if (NO_OPERATOR_SERVICE.has(errorCode(error))) return undefined;
    throw new NoTemporalError(`namespace ${namespace}: its search attributes cannot be listed (${errorText(error)})`);
  });
  if (listed === undefined) return notQueryable(connection, namespace, SEARCH_ATTRIBUTES);
  const known = listed.customAttributes ?? {};
  const wrong = SEARCH_ATTRIBUTES.filter((name) => known[name] !== undefined && known[name] !== KEYWORD);
  if (wrong.length > 0) throw new NoTemporalError(`namespace ${namespace}: search attribute ${wrong.join(', ')} is there, but not of type Keyword; a rollout could not write it`);
  return SEARCH_ATTRIBUTES.filter((name) => known[name] === undefined);
}

/** Any caller may count: an attribute that the namespace does not know is an invalid argument, and only that is. */
async function notQueryable(connection: Connection, namespace: string, names: readonly string[]): Promise<readonly string[]> {
  const known = await Promise.all(names.map((name) =>
    connection.workflowService.countWorkflowExecutions({ namespace, query: `${name} = "none"` }).then(() => true, (error: unknown) => {
      if (errorCode(error) === INVALID_ARGUMENT) return false;
      throw new NoTemporalError(`namespace ${namespace}: cannot ask whether it has the search attribute ${name} (${errorText(error)})`);
    })));
  return names.filter((_, index) => !known[index]);
}

async function untilQueryable(connection: Connection, namespace: string, names: readonly string[]): Promise<void> {
  const deadline = Date.now() + VISIBLE_DEADLINE_MS;
  for (;;) {
    const unknown = await notQueryable(connection, namespace, names);
    if (unknown.length === 0) return;
    if (Date.now() > deadline) throw new NoTemporalError(`namespace ${namespace}: ${unknown.join(', ')} was created, but the server does not know it after ${VISIBLE_DEADLINE_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
