// The known word nearest to a mistyped one.

/** Two edits are a typo; more is another word. Longer words may have one more. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const allowed = word.length > 8 ? 3 : 2;
  const ranked = known.map((one) => ({ one, distance: edits(word.toLowerCase(), one.toLowerCase()) })).filter(({ distance }) => distance <= allowed);
  return ranked.sort((a, b) => a.distance - b.distance)[0]?.one;
}

/** Insertions, deletions, replacements and neighbour swaps between two short words. */
function edits(a: string, b: string): number {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)));
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      const row = rows[i];
      if (row !== undefined) row[j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same, swapped);
    }
  }
  return at(a.length, b.length);
}
