// `segue fetch` without the other verbs: what they are made of takes longer to load than a small version takes to fetch.

import { Command } from 'commander';
import { quietly } from '../quietly';
import type { Verb } from '../verb';
import { fetchCommand } from './fetch';

export function fetchAlone(verb: Verb): Command {
  const segue = new Command('segue').enablePositionalOptions();
  segue.addCommand(fetchCommand(verb));
  return quietly(segue, verb.terminal);
}
