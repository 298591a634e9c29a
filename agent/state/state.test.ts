import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "#base/clock.ts";
import { policyPlan, runRecord } from "#protocol/fixtures.ts";
import type { RunRecord } from "#protocol/record.ts";
import type { Identity } from "../link/core.ts";
import type { Log } from "../log.ts";
import type { HeldConfig } from "./held-config.ts";
import { openState, type State } from "./state.ts";

let folder: string;
let dir: string;
let open: State[];
let messages: string[];
const log: Log = {
  debug() {},
  info: (_, message) => void messages.push(message),
  warn: (_, message) => void messages.push(message),
  error: (_, message) => void messages.push(message),
};

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/holdfast-state-`);
  dir = `${folder}/state`;
  open = [];
  messages = [];
});
afterEach(() => {
  for (const state of open) state.close();
  rmSync(folder, { recursive: true });
});

async function opened(signal?: AbortSignal): Promise<State> {
  const state = await openState({ dir, clock: systemClock, log, ...(signal === undefined ? {} : { signal }) });
  open.push(state);
  return state;
}
async function closed(state: State): Promise<void> {
  open.splice(open.indexOf(state), 1);
  state.close();
}

const identity: Identity = {
  host: { uid: "h", namespace: "n", name: "web-1" },
  clusterID: "c",
  endpoint: "wss://holdfast/v1/agent",
  ca: ["PEM"],
  credential: "hfa_n_web-1_credential-canary",
  ticket: "ticket-canary",
  highestEpoch: 7,
  nonce: "nonce-1",
};
const plan = policyPlan({ schedule: { cron: "0 2 * * *", timeZone: "UTC", jitterMs: 0, suspend: false } });
const held: HeldConfig = {
  id: "a".repeat(64),
  clusterID: "c",
  host: { uid: "h", namespace: "n", name: "web-1", paused: false, limits: {} },
  policies: [plan],
  repositories: [
    {
      uid: "r",
      name: "main",
      url: "rest:https://host/",
      password: { value: "password-canary" },
      env: { RESTIC_REST_PASSWORD: "env-canary" },
    },
  ],
};
const record = (uid: string, change: Partial<RunRecord> = {}) =>
  runRecord({ uid, name: `run-${uid}`, policy: { uid: "p", name: "nightly" }, ...change });

describe("the state folder", () => {
  test("is for its owner alone", async () => {
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    await opened();
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(`${dir}/key`).mode & 0o777).toBe(0o600);
  });

  test("reads the configuration that an agent 0.1.0 has kept", async () => {
    const kept = JSON.parse(readFileSync(new URL("config-0.1.0.json", import.meta.url), "utf8"));
    const first = await opened();
    first.config.write(kept, 1);
    await closed(first);
    expect((await opened()).config.read()).toEqual(kept);
    expect(messages).toEqual([]);
  });

  test.each(["database", "sealed file"])(
    "starts with a configuration in its %s that it cannot read, and says so",
    async (where) => {
      const first = await opened();
      first.config.write({ ...held, policies: [{ ...plan, timeoutMs: "a day" as never }] }, 1);
      await closed(first);
      if (where === "sealed file") rmSync(`${dir}/agent.db`);
      const second = await opened();
      expect(second.config.read()).toBeUndefined();
      expect(messages).toContainEqual(
        expect.stringContaining("cannot be read: no schedule fires until the operator has sent it again"),
      );
      second.config.write(held, 2);
      expect(second.config.read()).toEqual(held);
    },
  );

  test("keeps identity and configuration over a restart", async () => {
    const first = await opened();
    expect(first.identity.read()).toBeUndefined();
    first.identity.write(identity);
    first.config.write(held, 1);
    await closed(first);
    const second = await opened();
    expect(second.identity.read()).toEqual(identity);
    expect(second.config.read()).toEqual(held);
  });

  test("holds no secret in the clear, in no file", async () => {
    const state = await opened();
    state.identity.write(identity);
    state.config.write(held, 1);
    state.journal.add({ uid: "u", kind: "run", name: "x", created: 1, spec: {} }, held.repositories[0]);
    await closed(state);
    for (const file of readdirSync(dir))
      expect([file, readFileSync(`${dir}/${file}`).includes("canary")]).toEqual([file, false]);
  });

  test("is one agent's: a second one waits, says so, and goes on when the first has ended", async () => {
    const first = await opened();
    const second = opened();
    await expect
      .poll(() => messages)
      .toContainEqual(expect.stringContaining("another agent runs on this state folder"));
    await closed(first);
    expect((await second).identity.read()).toBeUndefined();
  });

  test("can be given up waiting for", async () => {
    await opened();
    const abort = new AbortController();
    const second = opened(abort.signal);
    abort.abort(new Error("given up"));
    await expect(second).rejects.toThrow("given up");
  });

  test.each([
    ["random bytes", (file: string) => writeFileSync(file, Buffer.alloc(20_000, 0x5a))],
    ["half a file", (file: string) => truncateSync(file, 5_000)],
  ])("with a damaged database (%s) costs no identity and no schedule", async (_, damage) => {
    const first = await opened();
    first.identity.write(identity);
    first.config.write(held, 1);
    await closed(first);
    rmSync(`${dir}/agent.db-wal`, { force: true });
    damage(`${dir}/agent.db`);

    const second = await opened();
    expect(second.identity.read()).toEqual(identity);
    expect(second.config.read()).toEqual(held);
    expect(messages).toContainEqual(expect.stringContaining("moved aside"));
    expect(readdirSync(dir)).toContainEqual(expect.stringMatching(/^agent\.db\.corrupt-\d+$/));
  });

  test("with a write-ahead log cut off in the middle opens, with what was committed before", async () => {
    const first = await opened();
    first.identity.write(identity);
    first.outbox.add(record("one"));
    // As power loss leaves it: the files are copied while the database is open.
    const copy = `${dir}/../copy`;
    mkdirSync(copy);
    for (const file of ["agent.db", "agent.db-wal", "key"])
      writeFileSync(`${copy}/${file}`, readFileSync(`${dir}/${file}`));
    truncateSync(`${copy}/agent.db-wal`, statSync(`${copy}/agent.db-wal`).size - 100);
    const second = await openState({ dir: copy, clock: systemClock, log });
    open.push(second);
    expect(second.identity.read()).toEqual(identity);
  });

  test("without its key says what to do", async () => {
    const first = await opened();
    first.identity.write(identity);
    await closed(first);
    rmSync(`${dir}/key`);
    await expect(opened()).rejects.toThrow("enrol this host again");
  });

  test("of a newer agent is refused, not changed", async () => {
    await closed(await opened());
    const database = new DatabaseSync(`${dir}/agent.db`);
    database.exec("PRAGMA user_version = 99");
    database.close();
    await expect(opened()).rejects.toThrow("install the newer agent again");
  });
});

/** The outbox as dump-state shows it, entries that were set aside included. */
function outboxRows(): unknown[] {
  const database = new DatabaseSync(`${dir}/agent.db`, { readOnly: true });
  const rows = database.prepare("SELECT * FROM outbox ORDER BY seq").all();
  database.close();
  return rows;
}

describe("the outbox", () => {
  test("hands out records in order, from a number on", async () => {
    const { outbox } = await opened();
    for (const uid of ["a", "b", "c"]) outbox.add(record(uid));
    const [first] = outbox.pending(0, 1);
    expect(first!.record.uid).toBe("a");
    expect(outbox.pending(first!.seq, 10).map((entry) => entry.record.uid)).toEqual(["b", "c"]);
  });

  test("a newer record takes the place of an older one of its subject, under a new number", async () => {
    const { outbox } = await opened();
    outbox.add(record("a", { phase: "Running" }));
    outbox.add(record("b"));
    const [running] = outbox.pending(0, 10);
    outbox.add(record("a"));
    expect(outbox.pending(0, 10).map(({ record: { uid, phase } }) => [uid, phase])).toEqual([
      ["b", "Succeeded"],
      ["a", "Succeeded"],
    ]);
    // The old one's acknowledgement arrives late: the newer one stays.
    outbox.ack(outbox.stream, running!.seq);
    expect(outbox.pending(0, 10).map((entry) => entry.record.uid)).toEqual(["b", "a"]);
  });

  test("an acknowledgement is cumulative, and of another stream it counts for nothing", async () => {
    const { outbox } = await opened();
    for (const uid of ["a", "b", "c"]) outbox.add(record(uid));
    const seqs = outbox.pending(0, 10).map(({ seq }) => seq);
    outbox.ack("another", seqs[2]!);
    expect(outbox.pending(0, 10)).toHaveLength(3);
    outbox.ack(outbox.stream, seqs[1]!);
    expect(outbox.pending(0, 10).map((entry) => entry.record.uid)).toEqual(["c"]);
  });

  test("a rejected record is kept aside and never sent again", async () => {
    const { outbox } = await opened();
    for (const uid of ["a", "b"]) outbox.add(record(uid));
    const [first] = outbox.pending(0, 10);
    outbox.reject(outbox.stream, first!.seq, "422", "too long");
    outbox.ack(outbox.stream, first!.seq + 1);
    expect(outbox.pending(0, 10)).toEqual([]);
    expect(outbox.holds("a")).toBe(true);
    expect(outboxRows()).toMatchObject([{ uid: "a", rejected_code: "422", rejected_message: "too long" }]);
  });

  test("only the newest thousand of those that were set aside are kept", async () => {
    const state = await opened();
    const { outbox } = state;
    state.transaction(() => {
      for (let entry = 0; entry < 1_003; entry++) outbox.add(record(`r${entry}`));
      for (const { seq } of outbox.pending(0, 1_002)) outbox.reject(outbox.stream, seq, "422", "too long");
    });
    outbox.tidy();
    expect(outboxRows()).toHaveLength(1_001);
    expect(["r1", "r2", "r1002"].map(outbox.holds)).toEqual([false, true, true]);
  });

  test("a record that the contract does not allow is kept aside and blocks nothing", async () => {
    const { outbox } = await opened();
    outbox.add(record("a", { message: "x".repeat(5000) }));
    outbox.add(record("b"));
    expect(outbox.pending(0, 10).map((entry) => entry.record.uid)).toEqual(["b"]);
    expect(outboxRows()).toMatchObject([{ uid: "a", rejected_code: "invalid" }, { uid: "b" }]);
  });

  test("survives a restart under a new stream", async () => {
    const first = await opened();
    first.outbox.add(record("a"));
    const { stream } = first.outbox;
    await closed(first);
    const second = await opened();
    expect(second.outbox.stream).not.toBe(stream);
    expect(second.outbox.pending(0, 10).map((entry) => entry.record.uid)).toEqual(["a"]);
  });
});

describe("the journal", () => {
  test("takes a uid once", async () => {
    const { journal } = await opened();
    const run = { uid: "u", kind: "run" as const, name: "x", created: 1, spec: { a: 1 } };
    expect(journal.add(run, { secret: 1 })).toBe(true);
    expect(journal.add({ ...run, spec: { a: 2 } })).toBe(false);
    expect(journal.find("u")).toMatchObject({ state: "Queued", spec: { a: 1 } });
    expect(journal.access("u")).toEqual({ secret: 1 });
  });

  test("forgets the access to a repository when its run has ended", async () => {
    const { journal } = await opened();
    journal.add({ uid: "u", kind: "run", name: "x", created: 1, spec: {} }, { secret: 1 });
    journal.end("u", 2, record("u"));
    expect(journal.access("u")).toBeUndefined();
    expect(journal.record("u")).toEqual(record("u"));
    expect(journal.unfinished()).toEqual([]);
  });

  test("writes that belong together are made together", async () => {
    const state = await opened();
    expect(() =>
      state.transaction(() => {
        state.outbox.add(record("a"));
        throw new Error("in between");
      }),
    ).toThrow("in between");
    expect(state.outbox.pending(0, 10)).toEqual([]);
  });
});

test("commands are remembered for seven days, restores for ever", async () => {
  const { commands } = await opened();
  const day = 24 * 3_600_000;
  commands.add({ id: "run", type: "run", subject: "run", received: 0 });
  commands.add({ id: "restore", type: "restore", subject: "restore", received: 0 });
  commands.forget(7 * day);
  expect(commands.find("run")).toBe("run");
  commands.forget(7 * day + 1);
  expect(commands.find("run")).toBeUndefined();
  commands.forget(1000 * day);
  expect(commands.find("restore")).toBe("restore");
});
