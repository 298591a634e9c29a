/** Calls that may be under way together for one reconcile, so that a large one does not crowd out everybody else's. */
const AT_ONCE = 8;

/** Runs over all items, a few at a time; the first error ends it once those under way have ended. */
export async function atOnce<T>(items: readonly T[], run: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  let failed = false;
  const worker = async () => {
    for (const item of left) {
      if (failed) return;
      try {
        await run(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  for (const end of ended) if (end.status === "rejected") throw end.reason;
}
