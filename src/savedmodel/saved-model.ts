// saved_model.pb: which meta graph a server would take, and its parts, without building objects for the graph.

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { AssetFileDef, CollectionDef, MetaGraphDef } from '../proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { AssetFileDefSchema, CollectionDefSchema, MetaGraphDefSchema, MetaGraphDef_MetaInfoDefSchema } from '../proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { SavedModelSchema } from '../proto/gen/tensorflow/core/protobuf/saved_model_pb';
import { invalid } from './finding';
import { Pace } from './pace';
import { readRegular } from './regular-file';
import { WireError, assertDecodes, decodeMessage, eachField, fieldsNumbered, lastField, lastVarint, text } from './wire';

/** What `--saved_model_tags` is unless said otherwise. */
export const SERVE_TAGS = ['serve'] as const;
export const GRAPH_PATH = 'saved_model.pb';
/** Protobuf refuses 2 GiB; the file is held in memory while it is looked at, and real graphs are a few megabytes (frozen ones some hundred). */
export const MAX_GRAPH_FILE_BYTES = 512 * 2 ** 20;
/** All of a meta graph but graph, collections and object graph is decoded into objects: signatures and a list of ops, some hundred kilobytes in the largest. */
const MAX_REST_BYTES = 8 * 2 ** 20;
/** An empty message takes two bytes stored and some hundred decoded. */
const MAX_MESSAGES = 100_000;
/** Meta graphs, and pieces of one graph: a handful of the first and one of the second in practice. */
const MAX_PIECES = 1000;
const MAX_COLLECTION_BYTES = 2 ** 20;
/** One, or two, in practice. */
const MAX_TAGS = 100;
/** Collections the loader itself looks at; the others are Python's. */
const COLLECTIONS_READ = ['saved_model_assets', 'saved_model_main_op', 'legacy_init_op'];

export interface MetaGraph {
  readonly tags: readonly string[];
  /** The whole MetaGraphDef as stored. */
  readonly bytes: Uint8Array;
  /** Its GraphDef as stored. */
  readonly graph: Uint8Array;
  /** Signatures, saver, asset files, meta info: everything but graph, collections and object graph. */
  readonly rest: MetaGraphDef;
  /** From asset_file_def or, before TensorFlow 2, from the collection saved_model_assets. */
  readonly assets: readonly AssetFileDef[];
  /** The op that the loader runs after restoring, if any. */
  readonly initOp: string | undefined;
}

/** The bytes of saved_model.pb; undefined where there is none. */
export async function readGraphFile(dir: string): Promise<Uint8Array | undefined> {
  return readRegular(dir, GRAPH_PATH, MAX_GRAPH_FILE_BYTES);
}

/** The meta graph whose tag set equals `tags`. Throws InvalidSavedModel: `decode` where the bytes are none, `tags` where there is not exactly one. */
export async function pickMetaGraph(file: Uint8Array, tags: readonly string[] = SERVE_TAGS, pace = new Pace()): Promise<MetaGraph> {
  return decoding(async () => {
    await assertDecodes(SavedModelSchema, file, pace);
    const wanted = tagSet(tags);
    const found: Uint8Array[] = [];
    const others = new Set<string>();
    let metaGraphs = 0;
    for (const metaGraph of fieldsNumbered(file, SavedModelSchema.field.metaGraphs.number)) {
      if (++metaGraphs > MAX_PIECES) throw invalid('limit', GRAPH_PATH, `more than ${MAX_PIECES} meta graphs`);
      const has = tagSet(tagsOf(metaGraph));
      if (has === wanted) found.push(metaGraph);
      else if (others.size < 20) others.add(`{ ${has.slice(0, 200)} }`);
    }
    if (found.length === 0) {
      throw invalid('tags', GRAPH_PATH, `no meta graph has exactly the tags { ${wanted} }; found ${others.size === 0 ? 'no meta graph at all' : [...others].join(', ')}`);
    }
    if (found.length > 1) throw invalid('tags', GRAPH_PATH, `${found.length} meta graphs have the tags { ${wanted} }; want one`);
    const version = lastVarint(file, SavedModelSchema.field.savedModelSchemaVersion.number);
    if (version !== 1) throw invalid('decode', GRAPH_PATH, `want schema version 1, found ${version}`);
    return splitMetaGraph(found[0]!, pace);
  });
}

/** Runs `read` over bytes of saved_model.pb: what says they are no message becomes InvalidSavedModel (`decode`). */
export async function decoding<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof WireError) throw invalid('decode', GRAPH_PATH, `does not decode as a SavedModel: ${error.message}`);
    throw error;
  }
}

function tagsOf(metaGraph: Uint8Array): string[] {
  const tags: string[] = [];
  for (const info of fieldsNumbered(metaGraph, MetaGraphDefSchema.field.metaInfoDef.number)) {
    for (const tag of fieldsNumbered(info, MetaGraphDef_MetaInfoDefSchema.field.tags.number)) {
      if (tags.push(text(tag)) > MAX_TAGS) throw invalid('limit', GRAPH_PATH, `a meta graph has more than ${MAX_TAGS} tags`);
    }
  }
  return tags;
}

/** Sets compare without order and repetition, as the loader does. */
function tagSet(tags: readonly string[]): string {
  return [...new Set(tags)].sort().join(' ');
}

async function splitMetaGraph(bytes: Uint8Array, pace: Pace): Promise<MetaGraph> {
  const { field } = MetaGraphDefSchema;
  const graphs: Uint8Array[] = [];
  const collections = new Map<string, Uint8Array>();
  const rest = Buffer.alloc(Math.min(bytes.length, MAX_REST_BYTES));
  let restBytes = 0;
  eachField(bytes, (no, value, from) => {
    if (no === field.graphDef.number) {
      if (graphs.push(value) > MAX_PIECES) throw invalid('limit', GRAPH_PATH, `a graph in more than ${MAX_PIECES} pieces`);
    } else if (no === field.collectionDef.number) {
      const name = text(lastField(value, 1));
      if (COLLECTIONS_READ.includes(name)) collections.set(name, lastField(value, 2) ?? new Uint8Array(0));
    } else if (no !== field.objectGraphDef.number) {
      const stored = bytes.subarray(from, value.byteOffset + value.byteLength - bytes.byteOffset);
      if (restBytes + stored.length > rest.length) throw invalid('limit', GRAPH_PATH, `signatures and meta info have more than ${MAX_REST_BYTES} bytes`);
      rest.set(stored, restBytes);
      restBytes += stored.length;
    }
  });
  const decoded = await decodeBounded(MetaGraphDefSchema, rest.subarray(0, restBytes), pace);
  const read: Partial<Record<string, CollectionDef>> = {};
  for (const [name, stored] of collections) {
    if (stored.length > MAX_COLLECTION_BYTES) throw invalid('limit', GRAPH_PATH, `collection ${name} has ${stored.length} bytes, at most ${MAX_COLLECTION_BYTES} are read`);
    read[name] = await decodeBounded(CollectionDefSchema, stored, pace);
  }
  // Written twice, a message field merges: protobuf's rule, and the same as reading both in turn.
  const graph = graphs.length === 1 ? graphs[0]! : Buffer.concat(graphs);
  return { tags: decoded.metaInfoDef?.tags ?? [], bytes, graph, rest: decoded, assets: assetsOf(decoded, read), initOp: initOpOf(decoded, read) };
}

async function decodeBounded<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array, pace: Pace): Promise<MessageShape<Desc>> {
  await assertDecodes(schema, bytes, pace, MAX_MESSAGES);
  return decodeMessage(schema, bytes);
}

type Collections = Readonly<Partial<Record<string, CollectionDef>>>;

function assetsOf(decoded: MetaGraphDef, collections: Collections): readonly AssetFileDef[] {
  if (decoded.assetFileDef.length > 0) return decoded.assetFileDef;
  const kind = collections['saved_model_assets']?.kind;
  return kind?.case === 'anyList' ? kind.value.value.map((any) => decodeMessage(AssetFileDefSchema, any.value)) : [];
}

function initOpOf(decoded: MetaGraphDef, collections: Collections): string | undefined {
  const signature = decoded.signatureDef['__saved_model_init_op']?.outputs['__saved_model_init_op'];
  if (signature?.encoding.case === 'name') return signature.encoding.value;
  const kind = (collections['saved_model_main_op'] ?? collections['legacy_init_op'])?.kind;
  return kind?.case === 'nodeList' ? kind.value.value[0] : undefined;
}
