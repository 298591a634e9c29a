/** As V8 writes them: .cpuprofile and .heapprofile. */
interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  /** From 0. */
  readonly lineNumber: number;
}

export interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

export interface HeapNode {
  readonly callFrame: CallFrame;
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
}

export interface Share {
  /** Function and place. */
  readonly where: string;
  /** Milliseconds, or bytes. */
  readonly self: number;
}

/** Milliseconds each function itself was seen running, the most first. (program) is Node's own native code. */
export function cpuShares({ nodes, samples, timeDeltas }: CpuProfile): Share[] {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  const sums = new Map<string, number>();
  for (const [index, id] of samples.entries()) add(sums, places.get(id) ?? "", (timeDeltas[index] ?? 0) / 1000);
  sums.delete("(idle)");
  return sorted(sums);
}

/** Bytes allocated in each function itself that were alive at the end, the most first. */
export function heapShares(head: HeapNode): Share[] {
  const sums = new Map<string, number>();
  const waiting = [head];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    add(sums, placeOf(node.callFrame), node.selfSize);
    waiting.push(...node.children);
  }
  return sorted(sums);
}

/** Places below the working directory are shown from there. */
function placeOf({ functionName, url, lineNumber }: CallFrame): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  const path = url.replace(/^file:\/\//, "").replace(`${process.cwd()}/`, "");
  return `${name} ${path}:${lineNumber + 1}`;
}

function add(sums: Map<string, number>, where: string, amount: number): void {
  sums.set(where, (sums.get(where) ?? 0) + amount);
}

function sorted(sums: Map<string, number>): Share[] {
  return [...sums]
    .map(([where, self]) => ({ where, self }))
    .filter(({ self }) => self > 0)
    .sort((a, b) => b.self - a.self);
}
