/**
 * Runs `run` while no other process of this user on this machine runs under the same `name`.
 * `onWait` is called once if another process holds it. A process that dies lets go at once, whatever killed it.
 */
export function withLock<T>(name: string, onWait: () => void, run: () => Promise<T>): Promise<T>;
