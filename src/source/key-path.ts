// What a key may become on disk. One function decides for one path, one for a whole set; nothing else turns a key into a path.
// The rules are those of the reliability reference §6: what is safe on every file system a model server may read from.

/** POSIX NAME_MAX. */
const MAX_COMPONENT_BYTES = 255;
/** S3's own limit for a key. */
const MAX_PATH_BYTES = 1024;
// oxlint-disable-next-line no-control-regex -- control characters are what this refuses
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Of most versions every path: short, and in each component only letters, digits, dashes, underscores, and dots within. Nothing of what is refused below can be in it. */
const PLAIN = /^[\w-](?:[\w.-]*[\w-])?(?:\/[\w-](?:[\w.-]*[\w-])?)*$/;

/** Why this path (a key without its prefix) can never be a file of a version; nothing when it can. Touches no disk. */
export function reasonNotPath(path: string): string | undefined {
  if (path.length <= MAX_COMPONENT_BYTES && PLAIN.test(path)) return undefined;
  if (path === '') return 'the path is empty';
  if (path.startsWith('/')) return 'the path is absolute';
  if (CONTROL.test(path)) return 'the path contains a control character';
  if (path.includes('\\')) return 'the path contains a backslash';
  if (/\p{Surrogate}/u.test(path)) return 'the path is not well-formed Unicode';
  // Listings are XML, which cannot carry every key: servers put U+FFFD where they could not, and no GET would find such a key.
  if (path.includes('\ufffd')) return 'the path contains U+FFFD, which stands for a character the listing could not express';
  if (path.normalize('NFC') !== path) return 'the path is not in Unicode normal form C';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `the path is longer than ${MAX_PATH_BYTES} bytes`;
  for (const component of path.split('/')) {
    const why = reasonNotComponent(component);
    if (why !== undefined) return why;
  }
  return undefined;
}

function reasonNotComponent(component: string): string | undefined {
  if (component === '') return 'the path has an empty component';
  if (component === '.' || component === '..') return `the path has the component ${JSON.stringify(component)}`;
  if (/[. ]$/.test(component)) return `the component ${JSON.stringify(component)} ends in a dot or a space`;
  if (Buffer.byteLength(component) > MAX_COMPONENT_BYTES) return `a component is longer than ${MAX_COMPONENT_BYTES} bytes`;
  return undefined;
}

/** The first path of a set that cannot be a file beside the others, and why: bad in itself, twin of another by case or form, or file and directory at once. */
export function reasonNotFileSet(paths: readonly string[]): { readonly path: string; readonly why: string } | undefined {
  const files = new Map<string, string>();
  for (const path of paths) {
    const why = reasonNotPath(path);
    if (why !== undefined) return { path, why };
    const folded = fold(path);
    const twin = files.get(folded);
    if (twin !== undefined) return { path, why: twin === path ? 'the path appears twice' : `the path differs from ${JSON.stringify(twin)} only by case` };
    files.set(folded, path);
  }
  for (const path of paths) {
    const folded = fold(path);
    for (let slash = folded.indexOf('/'); slash >= 0; slash = folded.indexOf('/', slash + 1)) {
      const file = files.get(folded.slice(0, slash));
      if (file !== undefined) return { path, why: `${JSON.stringify(file)} is a file and cannot be a directory too` };
    }
  }
  return undefined;
}

/** Equal for all spellings a case-insensitive file system may take for one. Upper case between: ß and SS, ſ and s fold together only that way; lower case before it, for ẞ and ß. */
function fold(path: string): string {
  return path.normalize('NFD').toLowerCase().toUpperCase().toLowerCase().normalize('NFC');
}
