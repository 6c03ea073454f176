// A message as C++ protobuf's DebugString prints it: no colon before a brace, which toText writes and both read.

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { toText } from '@bufbuild/protobuf/txtpb';

export function debugText<D extends DescMessage>(schema: D, message: MessageShape<D>): string {
  return toText(schema, message).replaceAll(/^( *[\w.]+): \{\}$/gm, '$1 {\n}').replaceAll(/^( *[\w.]+): \{$/gm, '$1 {');
}
