// Protobuf's wire format walked in place: a graph of a gigabyte is looked at without building a gigabyte of objects.

import { isUtf8 } from 'node:buffer';
import { ScalarType } from '@bufbuild/protobuf';
import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** Protobuf's own limit on nesting; TensorFlow's parser has the same. */
const MAX_DEPTH = 100;

/** Calls `visit` for each length-delimited field (message, string, bytes) of one message, in order. Throws a plain Error where the bytes are no message. */
export function eachField(bytes: Uint8Array, visit: (no: number, value: Uint8Array) => void): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [no, type] = reader.tag();
    if (type === WireType.LengthDelimited) visit(no, reader.bytes());
    else reader.skip(type, no);
  }
}

/** The last value of a field that holds text or a message, as protobuf reads it; undefined where it is not set. */
export function lastField(bytes: Uint8Array, wanted: number): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  eachField(bytes, (no, value) => {
    if (no === wanted) found = value;
  });
  return found;
}

export function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** Throws a plain Error where a parser that knows the schema would refuse the bytes: lengths, tags, nesting, text that is not UTF-8. Allocates next to nothing. */
export function assertDecodes(schema: DescMessage, bytes: Uint8Array, depth = 1): void {
  if (depth > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH} messages`);
  const fields = fieldsOf(schema);
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [no, type] = reader.tag();
    if (type !== WireType.LengthDelimited) {
      reader.skip(type, no);
      continue;
    }
    const value = reader.bytes();
    const inside = fields.get(no);
    if (inside === undefined) continue;
    if (inside === 'text') {
      if (!isUtf8(value)) throw new Error(`${schema.typeName} has text in field ${no} that is not UTF-8`);
    } else if ('map' in inside) assertMapEntry(inside.map, value, depth + 1);
    else assertDecodes(inside, value, depth + 1);
  }
}

function assertMapEntry(valueSchema: DescMessage | 'text' | undefined, entry: Uint8Array, depth: number): void {
  eachField(entry, (no, value) => {
    if (no === 1 || valueSchema === 'text') {
      if (!isUtf8(value)) throw new Error('a map has text that is not UTF-8');
    } else if (no === 2 && valueSchema !== undefined) assertDecodes(valueSchema, value, depth + 1);
  });
}

type Inside = 'text' | DescMessage | { readonly map: DescMessage | 'text' | undefined };
const known = new WeakMap<DescMessage, ReadonlyMap<number, Inside>>();

function fieldsOf(schema: DescMessage): ReadonlyMap<number, Inside> {
  let fields = known.get(schema);
  if (fields === undefined) {
    fields = new Map(schema.fields.flatMap((field) => {
      const inside = insideOf(field);
      return inside === undefined ? [] : [[field.number, inside] as const];
    }));
    known.set(schema, fields);
  }
  return fields;
}

function insideOf(field: DescField): Inside | undefined {
  if (field.message !== undefined && field.fieldKind !== 'map') return field.message;
  if (field.fieldKind === 'map') return { map: field.mapKind === 'message' ? field.message : field.scalar === ScalarType.STRING ? 'text' : undefined };
  return field.scalar === ScalarType.STRING ? 'text' : undefined;
}
