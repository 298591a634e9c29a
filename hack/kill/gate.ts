import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";

/** Where a backup or restore can be held: before its restic, or between restic's end and the record of its exit. */
export type Place = "before" | "after";

/** One restic of a run: the id of that, and what it was called for. */
interface Call {
  readonly id: string;
  readonly attempt: number;
  readonly step: string;
}

/** A call that waits at a place. `pid`: of the program that the agent takes for restic. */
export interface Held extends Call {
  readonly pid: number;
  release(): void;
}

/** A restic as it was started; `ended`: it has, whatever became of the program around it. */
export interface Started extends Call {
  readonly pid: number;
  readonly ended: boolean;
}

const LOOK_MS = 25;
const LAST_LOOKS = 40;

/**
 * The program one agent runs for restic: restic itself, but that it writes down which process works for which run, and
 * can be held. The run is read off the arguments of its parent, the shim; the agent's questions have none and pass.
 */
export class Gate {
  readonly program: string;
  readonly #folder: string;
  /** One call is waited for at a time, at each place. */
  readonly #holding = new Map<Place, Promise<unknown>>();

  /** `folder` is made; everything of the gate lies there. */
  constructor(folder: string, restic: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.program = join(folder, "restic");
    writeFileSync(join(folder, "log"), "");
    writeFileSync(
      this.program,
      `#!/bin/sh
folder='${folder}'
parent=$(tr '\\0\\n' '  ' <"/proc/$PPID/cmdline")
case $parent in
  *'/runs/run-'*) ;;
  *) exec '${restic}' "$@" ;;
esac
rest=\${parent#*/runs/run-}
call=\${rest%% *}
trap : INT TERM
hold() {
  mv "$folder/hold-$1" "$folder/held-$$" 2>/dev/null || return
  echo "held-$1 $call $$" >>"$folder/log"
  while [ -e "$folder/held-$$" ]; do sleep 0.05; done
}
hold before
/bin/sh -c 'echo "started $1 $$" >>"$2"; shift 2; exec "$@"' gate "$call" "$folder/log" '${restic}' "$@"
code=$?
echo "ended $call $$" >>"$folder/log"
hold after
exit $code
`,
      { mode: 0o755 },
    );
  }

  /** Resolves with the next call that comes to the place; undefined where none does before the signal aborts. */
  hold(place: Place, signal: AbortSignal): Promise<Held | undefined> {
    const held = (this.#holding.get(place) ?? Promise.resolve()).then(() => this.#hold(place, signal));
    this.#holding.set(place, held);
    return held;
  }

  async #hold(place: Place, signal: AbortSignal): Promise<Held | undefined> {
    const order = join(this.#folder, `hold-${place}`);
    const from = this.#log().length;
    // A call may take the order in the last moment, and be killed before it says so.
    let looks = LAST_LOOKS;
    writeFileSync(order, "");
    for (;;) {
      const found = this.#log()
        .slice(from)
        .find(({ event }) => event === `held-${place}`);
      if (found !== undefined) {
        const { event: _, ...call } = found;
        return { ...call, release: () => rmSync(join(this.#folder, `held-${call.pid}`), { force: true }) };
      }
      if (signal.aborted && (takenBack(order) || --looks === 0)) return undefined;
      await systemClock.sleep(LOOK_MS);
    }
  }

  /** Every restic that was started for a run, the oldest first. */
  starts(): Started[] {
    const log = this.#log();
    const key = ({ id, attempt, step }: Call) => `${id}/${attempt}/${step}`;
    const ended = new Set(log.filter(({ event }) => event === "ended").map(key));
    return log
      .filter(({ event }) => event === "started")
      .map(({ event: _, ...call }) => ({ ...call, ended: ended.has(key(call)) }));
  }

  #log(): (Call & { event: string; pid: number })[] {
    return readFileSync(join(this.#folder, "log"), "utf8")
      .split("\n")
      .flatMap((line) => {
        const match = /^(\S+) ([^/]+)\/attempt-(\d+)\/(\S+) (\d+)$/.exec(line);
        if (match === null) return [];
        const [, event = "", id = "", attempt, step = "", pid] = match;
        return [{ event, id, attempt: Number(attempt), step, pid: Number(pid) }];
      });
  }
}

/** False where a call was faster. */
function takenBack(order: string): boolean {
  try {
    renameSync(order, `${order}-no-more`);
    return true;
  } catch {
    return false;
  }
}
