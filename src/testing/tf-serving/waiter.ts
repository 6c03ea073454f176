// ServerCore::WaitUntilModelsAvailable: what a reload that names a new model waits for, without limit, and the text it fails with (reference §2 step 9).

import type { ServableStateMonitor } from './monitor';
import { compareBigint, debugString } from './servable-id';
import { ServingError } from './status';

/** `noun` is "model" in a reload and "servable" at start-up. Throws UNKNOWN when the deciding version of some model is END. */
export async function untilModelsAvailable(monitor: ServableStateMonitor, names: readonly string[], noun: 'model' | 'servable'): Promise<void> {
  const reached = await monitor.untilAvailableOrEnd(names);
  const ended = reached
    .filter(({ state }) => state !== 'Available')
    .toSorted((a, b) => (a.id.name === b.id.name ? compareBigint(a.id.version, b.id.version) : a.id.name < b.id.name ? -1 : 1));
  if (ended.length === 0) return;
  const each = ended.map(({ id }) => {
    const health = monitor.state(id)?.health;
    return `{${debugString(id)}${health === undefined ? '' : ` due to error: ${health.toString()}`}}, `;
  });
  throw new ServingError('UNKNOWN', `${ended.length} ${noun}(s) did not become available: {${each.join('')}}`);
}
