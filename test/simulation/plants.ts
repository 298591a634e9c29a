import type { Plant } from "./hooks.ts";

/** Bugs that the simulation must find: each is one that a change in good faith could make. */
export const PLANTS: { readonly [name: string]: readonly Plant[] } = {
  "ack-before-write": [
    {
      file: "operator/hub/session-records.ts",
      from: 'return [next, state.queue.length === 0 ? [{ type: "write", record }] : []];',
      to: `const ack: SessionEffect = { type: "send", frame: { type: "ack", epoch: state.epoch, stream, seq } };
  return [next, state.queue.length === 0 ? [ack, { type: "write", record }] : [ack]];`,
    },
  ],
  "status-without-precondition": [
    { file: "operator/kube/apply.ts", from: "name, uid, resourceVersion };", to: "name, uid };" },
  ],
  "report-of-a-superseded-session": [
    {
      file: "operator/hub/session-store.ts",
      from: 'if ((host.status?.session?.epoch ?? 0) > epoch) return "superseded";',
      to: "",
    },
  ],
  "epoch-stands-still": [
    {
      file: "operator/hub/epoch.ts",
      from: "Math.min(highest, stored + MAX_LIFT)) + 1;",
      to: "Math.min(highest, stored + MAX_LIFT));",
    },
  ],
  "command-carried-out-again": [
    {
      file: "agent/core.ts",
      from: "const known = commands.find(command.id) ?? journal.find(command.id)?.uid;",
      to: "const known = undefined as string | undefined;",
    },
  ],
  "end-overwritten-by-a-late-running": [
    {
      file: "operator/controllers/one-shot/conditions.ts",
      from: "if (!isTerminal(standing?.phase)) return true;",
      to: "if (standing?.phase !== reported.phase) return true;",
    },
  ],
  "leader-decides-on-its-cache": [
    {
      file: "operator/controllers/one-shot/settle.ts",
      from: "verdict = decision(ctx.clock.now(), live);",
      to: "",
    },
  ],
  "running-restic-not-adopted": [
    {
      file: "agent/runner/execute.ts",
      from: "if (last !== undefined && last.finished === undefined) {",
      to: "if (last !== undefined && last.finished === undefined && last.attempt < 0) {",
    },
  ],
  "result-apart-from-its-journal": [
    {
      file: "agent/runner/runner.ts",
      from: `state.transaction(() => {
      also();
      state.outbox.add(record);
    });`,
      to: `also();
    state.outbox.add(record);`,
    },
  ],
  "unread-files-count-as-success": [
    {
      file: "agent/runner/classify.ts",
      from: "if (exitCode === EXIT.ok) {",
      to: "if (exitCode === EXIT.ok || exitCode === EXIT.partial) {",
    },
  ],
  "two-backups-at-once": [
    { file: "agent/runner/runner.ts", from: "const backups = openLane(1);", to: "const backups = openLane(2);" },
  ],
  "overlap-without-a-record": [
    {
      file: "agent/core.ts",
      from: "endUnstarted(run, skippedRecord(run, clock.now(), message, next));",
      to: "void [message, next];",
    },
  ],
  "cancel-forgotten-by-a-restart": [
    { file: "agent/runner/runner.ts", from: 'if (job.cancel) stop.abort("Cancelled");', to: "" },
  ],
};
