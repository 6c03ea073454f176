// Waiting for a fact instead of sleeping; and the one reason to let time pass.

const LOOK_EVERY_MS = 10;

/** Looks until it is there, and returns it. Throws naming how long, when it is not in time. */
export async function until<T>(look: () => T | Promise<T>, withinMs = 10_000, what = look.toString()): Promise<Exclude<T, false | undefined>> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<T, false | undefined>;
    if (Date.now() > deadline) throw new Error(`still not so after ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** So long, to see that nothing happens: of that no fact tells. */
export function aWhile(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
