// What an agent did, in the order in which it did it, written down before each effect: what survives of a process that is killed.

import { appendFileSync, readFileSync } from 'node:fs';
import promises from 'node:fs/promises';
import { basename, dirname, sep } from 'node:path';
import type { ListedModel } from '../../src/domain/list';
import type { Token } from '../../src/domain/names';
import { ServingClient } from '../../src/serving/client';

export const MODEL = 'half';

export type Effect =
  /** The journal says from now on: this token, open or closed. */
  | { readonly did: 'journal'; readonly token: Token; readonly open: boolean }
  /** A version becomes visible. */
  | { readonly did: 'publish'; readonly version: string }
  /** A list is given to the server. */
  | { readonly did: 'reload'; readonly versions: readonly string[] };

/** In the agent's own process: every rename and every reload passes here. */
export function recordEffects(file: string): void {
  const note = (effect: Effect): void => appendFileSync(file, `${JSON.stringify(effect)}\n`);
  const rename = promises.rename;
  promises.rename = async (from, to) => {
    const target = String(to);
    const published = basename(dirname(target)) === MODEL && dirname(dirname(target)).endsWith(`${sep}models`);
    if (published) note({ did: 'publish', version: basename(target) });
    const journal = basename(target) === 'journal.json' ? journalled(String(from)) : undefined;
    await rename(from, to);
    if (journal !== undefined) note(journal);
  };
  const { prototype } = ServingClient as unknown as { prototype: { reload: (this: ServingClient, list: readonly ListedModel[]) => ReturnType<ServingClient['reload']> } };
  const { reload } = prototype;
  prototype.reload = function record(list) {
    // The sentinel's number is nobody's version.
    note({ did: 'reload', versions: list.filter(({ name }) => name === MODEL).flatMap(({ versions }) => versions.filter((version) => version !== '0')) });
    return reload.call(this, list);
  };
}

function journalled(path: string): Effect | undefined {
  const entry = (JSON.parse(readFileSync(path, 'utf8')) as { models: Record<string, { token: Token; open: boolean }> }).models[MODEL];
  return entry === undefined ? undefined : { did: 'journal', token: entry.token, open: entry.open };
}

export function readEffects(file: string): readonly Effect[] {
  return readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Effect);
}

/** Sentences that do not hold. `epochsOf`: of the rollouts that wanted this version, as their claims were answered. */
export function violationsOf(effects: readonly Effect[], epochsOf: (version: string) => ReadonlySet<number>): readonly string[] {
  const found: string[] = [];
  let token: Token = [0, 0];
  let open = false;
  let listed: readonly string[] = [];
  const mayAct = (what: string, version: string): void => {
    if (!open) found.push(`${what} ${version} although ${token.join('.')} is closed`);
    if (!epochsOf(version).has(token[0])) found.push(`${what} ${version}, wanted at ${[...epochsOf(version)].join(', ') || 'no epoch'}, while ${token.join('.')} holds the model`);
  };
  for (const effect of effects) {
    switch (effect.did) {
      case 'journal':
        if (effect.token[0] < token[0] || (effect.token[0] === token[0] && effect.token[1] < token[1])) found.push(`the journal went from ${token.join('.')} back to ${effect.token.join('.')}`);
        ({ token, open } = effect);
        break;
      case 'publish': mayAct('publish', effect.version); break;
      case 'reload':
        for (const version of effect.versions) if (!listed.includes(version)) mayAct('list', version);
        listed = effect.versions;
        break;
    }
  }
  return found;
}
