/** At most `width` holders at a time, first come, first served. */
export interface Lane {
  /** Resolves with the function that lets the next one in; rejects with the signal's reason when it aborts first. */
  enter(signal: AbortSignal): Promise<() => void>;
}

export function openLane(width: number): Lane {
  let inside = 0;
  const waiting: (() => void)[] = [];
  const leave = () => {
    inside--;
    waiting.shift()?.();
  };
  return {
    enter: (signal) =>
      new Promise((resolve, reject) => {
        const admit = () => {
          signal.removeEventListener("abort", abandon);
          inside++;
          let left = false;
          resolve(() => {
            if (left) return;
            left = true;
            leave();
          });
        };
        const abandon = () => {
          const place = waiting.indexOf(admit);
          if (place >= 0) waiting.splice(place, 1);
          reject(signal.reason);
        };
        if (signal.aborted) return reject(signal.reason);
        signal.addEventListener("abort", abandon, { once: true });
        if (inside < width) admit();
        else waiting.push(admit);
      }),
  };
}
