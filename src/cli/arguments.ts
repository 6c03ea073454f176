// How single arguments are read: each gives a value or one sentence about what was wanted.

import { InvalidArgumentError } from 'commander';
import { isName } from '../domain/names';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** `90s`, `10m`, `1h`, `500ms`; a bare number is seconds. Milliseconds. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('A duration is a number with a unit, such as 90s, 10m or 1h.');
  return Number(match[1]) * UNITS[(match[2] ?? 's') as keyof typeof UNITS];
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}

export function port(text: string): number {
  const value = wholeNumber(text);
  if (value < 1 || value > 65_535) throw new InvalidArgumentError('A port is 1 to 65535.');
  return value;
}

/** Names of fleets and servers become task queues, workflow ids and directories. */
export function name(text: string): string {
  if (!isName(text)) throw new InvalidArgumentError('A name is 1 to 128 letters, digits, dots, dashes or underscores and begins with a letter or digit.');
  return text;
}

export function servingAddress(text: string): string {
  if (!/^unix:.+$|^[^\s/]+:\d{1,5}$/.test(text) || Number(/^(?!unix:).*:(\d+)$/.exec(text)?.[1] ?? 1) > 65_535) throw new InvalidArgumentError('A model server is HOST:PORT or unix:PATH.');
  return text;
}

export function httpUrl(text: string): string {
  if (!/^https?:\/\/[^\s/]+/i.test(text)) throw new InvalidArgumentError('An endpoint is an http:// or https:// URL.');
  return text;
}

/** For options that may be given several times. */
export function eachOf<T>(read: (text: string) => T): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before) => [...(before ?? []), read(text)];
}

export function commaSeparated(text: string): readonly string[] {
  return text.split(',').map((part) => part.trim()).filter((part) => part !== '');
}
