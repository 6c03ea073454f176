// Protobuf's wire format walked in place: a graph of half a gigabyte is looked at without building objects for it.

import { isUtf8 } from 'node:buffer';
import { ScalarType, fromBinary } from '@bufbuild/protobuf';
import type { DescField, DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { Pace } from './pace';

/** Bytes that are no message, as a parser would refuse them. Whoever knows which file they are of turns it into InvalidSavedModel. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Calls `visit` for each length-delimited field (message, string, bytes) of one message, in order; `from` is where its tag begins. */
export function eachField(bytes: Uint8Array, visit: (no: number, value: Uint8Array, from: number) => void): void {
  const walk = new Walk(bytes);
  while (walk.at < bytes.length) {
    const from = walk.at;
    if (walk.next()) visit(walk.no, bytes.subarray(walk.start, walk.at), from);
  }
}

/** The values of one repeated length-delimited field, one after the other. */
export function* fieldsNumbered(bytes: Uint8Array, wanted: number): Generator<Uint8Array> {
  const walk = new Walk(bytes);
  while (walk.at < bytes.length) {
    if (walk.next() && walk.no === wanted) yield bytes.subarray(walk.start, walk.at);
  }
}

/** The last value of a field that holds text or a message, as protobuf reads it; undefined where it is not set. */
export function lastField(bytes: Uint8Array, wanted: number): Uint8Array | undefined {
  const walk = new Walk(bytes);
  let found: Uint8Array | undefined;
  while (walk.at < bytes.length) {
    if (walk.next() && walk.no === wanted) found = bytes.subarray(walk.start, walk.at);
  }
  return found;
}

/** The last value of a varint field; zero where it is not set. */
export function lastVarint(bytes: Uint8Array, wanted: number): number {
  const walk = new Walk(bytes);
  let found = 0;
  while (walk.at < bytes.length) {
    walk.next();
    if (walk.no === wanted && walk.type === VARINT) found = walk.value;
  }
  return found;
}

/** A whole message as an object. WireError where it is none. */
export function decodeMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (error) {
    throw new WireError(`${schema.typeName}: ${(error as Error).message}`);
  }
}

export function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/**
 * Throws WireError where a parser that knows the schema would refuse the bytes: lengths, tags, nesting, text that is not UTF-8. Holds nothing but a stack of 100.
 * More than `maxMessages` are refused as well: whoever builds objects of them afterwards says how many it can hold.
 */
export async function assertDecodes(schema: DescMessage, bytes: Uint8Array, pace: Pace, maxMessages = Infinity): Promise<void> {
  const walk = new Walk(bytes);
  let fields = 0;
  let messages = 0;
  const ends = [bytes.length];
  const tables = [tableOf(schema)];
  let reported = 0;
  while (ends.length > 0) {
    const end = ends[ends.length - 1]!;
    if (walk.at === end) {
      ends.pop();
      tables.pop();
      continue;
    }
    const delimited = walk.next();
    if (++fields > MAX_FIELDS) throw new WireError(`more than ${MAX_FIELDS} fields`);
    if (walk.at > end) throw new WireError(`a field at byte ${walk.start} ends beyond its message`);
    const inside = delimited ? tables[tables.length - 1]![walk.no] : undefined;
    if (inside === TEXT) assertUtf8(bytes, walk.start, walk.at);
    else if (inside !== undefined) {
      if (++messages > maxMessages) throw new WireError(`more than ${maxMessages} messages in what is not the graph`);
      if (ends.length >= MAX_DEPTH) throw new WireError(`messages are nested deeper than ${MAX_DEPTH}`);
      ends.push(walk.at);
      tables.push(inside);
      walk.at = walk.start;
    }
    if (walk.at - reported >= REPORT_BYTES) {
      const rest = pace.after(walk.at - reported);
      reported = walk.at;
      if (rest !== undefined) await rest;
    }
  }
}

/** Protobuf's own limit on nesting; TensorFlow's parser has the same. */
const MAX_DEPTH = 100;
/** A graph of 300,000 nodes has about 8 million. What walks a message without a pause afterwards takes about a second for these. */
const MAX_FIELDS = 50_000_000;
const REPORT_BYTES = 2 ** 16;
const VARINT = 0;

/** Steps over one field after the other. */
class Walk {
  at = 0;
  /** Of the field just read. */
  no = 0;
  type = 0;
  start = 0;
  /** Of a varint field; beyond 2^53 only nearly. */
  value = 0;
  constructor(private readonly bytes: Uint8Array) {}

  /** True where the field is length-delimited: its value is from `start` to `at`. */
  next(): boolean {
    const tag = this.varint();
    this.type = tag & 7;
    this.no = Math.floor(tag / 8);
    if (this.no === 0 || this.no > 0x1fffffff) throw new WireError(`a field at byte ${this.at} has the number ${this.no}`);
    switch (this.type) {
      case VARINT: this.value = this.varint(); return false;
      case 1: this.skip(8); return false;
      case 2: this.skip(this.varint()); return true;
      case 5: this.skip(4); return false;
      // Groups: nothing TensorFlow writes has any.
      default: throw new WireError(`a field at byte ${this.at} has the wire type ${this.type}`);
    }
  }

  private skip(count: number): void {
    this.start = this.at;
    this.at += count;
    if (this.at > this.bytes.length) throw new WireError(`a field at byte ${this.start} wants ${count} bytes, ${this.bytes.length - this.start} are left`);
  }

  private varint(): number {
    const bytes = this.bytes;
    let byte = bytes[this.at++];
    if (byte !== undefined && byte < 128) return byte;
    let value = 0;
    for (let scale = 1, count = 0; count < 10; count++, scale *= 128) {
      if (byte === undefined) throw new WireError('the bytes end within a number');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      byte = bytes[this.at++];
    }
    throw new WireError(`a number at byte ${this.at} has more than 10 bytes`);
  }
}

const TEXT = 'text';
/** By field number: what is known to be in a length-delimited field. */
type Table = (Table | typeof TEXT | undefined)[];
const known = new WeakMap<DescMessage, Table>();

function tableOf(schema: DescMessage): Table {
  let table = known.get(schema);
  if (table === undefined) {
    table = [];
    known.set(schema, table);
    for (const field of schema.fields) table[field.number] = insideOf(field);
  }
  return table;
}

function insideOf(field: DescField): Table | typeof TEXT | undefined {
  const plain = field.message !== undefined ? tableOf(field.message) : field.scalar === ScalarType.STRING ? TEXT : undefined;
  return field.fieldKind === 'map' ? [undefined, field.mapKey === ScalarType.STRING ? TEXT : undefined, plain] : plain;
}

function assertUtf8(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    // Names are ASCII nearly always, and short.
    if (bytes[at]! < 128) continue;
    if (isUtf8(bytes.subarray(at, end))) return;
    throw new WireError(`text at byte ${start} is not UTF-8`);
  }
}
