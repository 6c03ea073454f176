// One host as it is at this moment, seen from outside: its disk, its boot file, its journal, and what its model server says and lists.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toJson } from '@bufbuild/protobuf';
import { fromText } from '@bufbuild/protobuf/txtpb';
import { parseJournal, type JournalContent, type ModelEntry } from '../../src/agent/journal-format';
import { listedVersions, statsOf } from '../../src/cli/demo/simulators';
import type { ModelName } from '../../src/domain/names';
import { ModelServerConfigSchema } from '../../src/proto/gen/tensorflow_serving/config/model_server_config_pb';
import { ServingClient } from '../../src/serving/client';
import type { Model } from './plan';
import type { Host } from './stack';

/** Throws for a file that is none: the server could not start from it. */
export function bootVersions({ root }: Host, model: Model): readonly string[] {
  const config = fromText(ModelServerConfigSchema, readFileSync(join(root, 'boot.config'), 'utf8'));
  return listedVersions({ config: toJson(ModelServerConfigSchema, config, { useProtoFieldName: true }) }, model);
}

/** Every version of the model that the server would find, by its number. */
export function diskVersions({ root }: Host, model: Model): readonly string[] {
  const base = join(root, 'models', model);
  return existsSync(base) ? readdirSync(base).filter((name) => /^[0-9]+$/.test(name)).sort() : [];
}

export function versionPath({ root }: Host, model: Model, version: string): string {
  return join(root, 'models', model, version);
}

/** Names below the model's staging directory. */
export function stagingNames({ root }: Host, model: Model): readonly string[] {
  const directory = join(root, 'staging', model);
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

/** Throws where the file is no journal: the next start of this agent would refuse it. */
export function journalOf({ root }: Host): JournalContent {
  const parsed = parseJournal(readFileSync(join(root, 'journal.json'), 'utf8'));
  if ('why' in parsed) throw new Error(`journal.json is none: ${parsed.why}`);
  return parsed.ok;
}

export function entryOf(host: Host, model: Model): ModelEntry | undefined {
  return journalOf(host).models.get(model as string as ModelName);
}

/** What the server's memory lists; nothing where nobody answers. */
export async function memoryVersions({ statsUrl }: Host, model: Model): Promise<readonly string[] | undefined> {
  try {
    return listedVersions(await statsOf(statsUrl), model);
  } catch {
    return undefined;
  }
}

/** Version → state; nothing where nobody answers. */
export async function statesOf({ address }: Host, model: Model): Promise<Readonly<Record<string, string>> | undefined> {
  const serving = new ServingClient(address);
  try {
    const status = await serving.status(model as string as ModelName, { deadlineMs: 2_000 });
    return status === 'unknown model' ? {} : Object.fromEntries([...status].map(([version, { state }]) => [version, state]));
  } catch {
    return undefined;
  } finally {
    serving.close();
  }
}
