import { Option } from 'commander';

export interface OutputFlags {
  readonly output: 'text' | 'json';
}

/** As the temporal command line has it. */
export function outputOption(): Option {
  return new Option('-o, --output <format>', 'text for people, json for scripts').choices(['text', 'json']).default('text');
}
