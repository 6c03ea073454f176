// DESIGN §11 "Secrecy": the secret is in no log and in no file that anybody of ours wrote.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KEYS } from './contents';
import type { Stack } from './stack';

export function secretsIn({ logs, hosts }: Stack): readonly string[] {
  const files = [...filesOf(logs), ...hosts.flatMap(({ root }) => [join(root, 'journal.json'), join(root, 'boot.config'), ...filesOf(join(root, 'staging'))])];
  return files.filter((file) => existsSync(file) && readFileSync(file, 'latin1').includes(KEYS.secretAccessKey)).map((file) => `Secrecy: ${file} holds the secret`);
}

function filesOf(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !entry.name.endsWith('vocabulary.txt')).map((entry) => join(entry.parentPath, entry.name));
}
