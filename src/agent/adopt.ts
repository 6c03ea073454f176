// An operator says what a server lists: a host whose agent lost its journal, or never had one, becomes ours with the list it has (DESIGN §6). The agent must be stopped; nothing of the
// server changes now, and the first list the agent gives says the same again.

import { realpath } from 'node:fs/promises';
import { fail } from '../domain/failures';
import { basePath } from '../domain/list';
import type { ModelName, ServerName, Version } from '../domain/names';
import { ServingClient } from '../serving/client';
import { modelsInText } from '../serving/model-list';
import { BootFile } from './boot';
import { Journal } from './journal';
import type { ModelEntry } from './journal-format';
import { lockStore } from './lock';
import { ModelStore } from './model-store';
import { entryOf, writeSeed } from './seed';

export interface Adoption {
  readonly root: string;
  /** `host:port` or `unix:PATH`. */
  readonly serving: string;
  /** A model_config_list, as TensorFlow Serving reads it. */
  readonly text: string;
}

/** What is promoted from now on, by model. Fails as StoreBusy while an agent runs, as InvalidInput for a list that is not ours to take over, as ServerUnreachable. */
export async function adoptList({ root: given, serving, text }: Adoption): Promise<ReadonlyMap<ModelName, Version | undefined>> {
  const root = await realpath(given).catch(() => { throw fail('InvalidInput', `--root ${given}: not there`, { path: '--root' }); });
  const lock = await lockStore(root);
  const client = new ServingClient(serving);
  try {
    const journal = await Journal.open(root);
    if (journal.seeded && journal.models.size > 0) throw fail('InvalidInput', `${journal.path}: this agent has a journal with ${[...journal.models.keys()].join(', ')}; there is nothing to adopt`, { path: '--root' });
    const store = new ModelStore(root);
    await store.prepare();
    const parts = { client, store, server: serving as ServerName };
    const entries = new Map<ModelName, ModelEntry>();
    for (const model of modelsOf(text, root)) {
      const entry = await entryOf(parts, model, undefined, new AbortController().signal);
      if (entry === undefined) throw fail('InvalidInput', `${model}: the model server at ${serving} does not know it; give the list that this server has`, { path: 'FILE', model });
      if (typeof entry === 'string') throw fail(entry.includes('does not answer') ? 'ServerUnreachable' : 'InvalidInput', entry, { path: 'FILE', model });
      entries.set(model, entry);
    }
    await writeSeed({ journal, boot: new BootFile(journal, store) }, entries);
    return new Map([...entries].map(([model, { promoted }]) => [model, promoted]));
  } finally {
    client.close();
    await lock.release();
  }
}

/** Only what lies where this agent would put it: another base path would unload it with the next list. */
function modelsOf(text: string, root: string): readonly ModelName[] {
  const models = modelsInText(text);
  if (models === undefined) throw fail('InvalidInput', 'FILE: want a list as TensorFlow Serving reads it, model_config_list { config { name: … base_path: … } }, found something else', { path: 'FILE' });
  if (models.length === 0) throw fail('InvalidInput', 'FILE: the list is empty; there is nothing to adopt', { path: 'FILE' });
  for (const { name, base } of models) {
    const want = basePath(root, name as ModelName);
    if (base.replace(/\/+$/, '') !== want) throw fail('InvalidInput', `FILE: ${name}: want base_path ${want}, found ${base}; put its versions there (cp -al ${base} ${want}) and let the server read them from there first`, { path: 'FILE', model: name, want, found: base });
  }
  return models.map(({ name }) => name as ModelName);
}
