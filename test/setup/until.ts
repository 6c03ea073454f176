// Waiting for a fact instead of sleeping.

const LOOK_EVERY_MS = 10;

/** Looks until it is there, and returns it. Throws naming how long, when it is not in time. */
export async function until<T>(look: () => T | Promise<T>, withinMs = 10_000): Promise<Exclude<T, false | undefined>> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<T, false | undefined>;
    if (Date.now() > deadline) throw new Error(`still not so after ${withinMs} ms: ${look.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
