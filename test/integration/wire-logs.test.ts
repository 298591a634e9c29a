import { expect, test } from "vitest";
import { agentFacts, helloFrame } from "#protocol/fixtures.ts";
import { READS_LOGS } from "#protocol/limits.ts";
import { TestHub } from "./wire-hub.ts";

const subject = { kind: "run", uid: "run-1" } as const;
const never = new AbortController().signal;

test("an agent is asked for a piece of a log, and its answer is given on until it hangs up", async () => {
  await using hub = await TestHub.start();
  const agent = await hub.client("web-1");
  agent.send(helloFrame({ agent: agentFacts({ capabilities: [READS_LOGS] }) }));
  const { epoch } = await agent.frame("hello_ack");
  const read = hub.gateway.readLog("backups/web-1", subject, 5, never);
  const { id, ...asked } = await agent.frame("read_log");
  expect(asked).toEqual({ type: "read_log", epoch, subject, offset: 5 });
  agent.send({ type: "log_chunk", id, offset: 5, next: 11, text: "words\n", size: 11, ended: true });
  expect(await read).toEqual({ offset: 5, next: 11, text: "words\n", size: 11, ended: true });

  const cut = expect(hub.gateway.readLog("backups/web-1", subject, 0, never)).rejects.toMatchObject({
    status: 503,
    code: "host_offline",
    message: expect.stringContaining("backups/web-1"),
  });
  await agent.frame("read_log", 2);
  agent.socket.terminate();
  await cut;
  await expect(hub.gateway.readLog("backups/web-1", subject, 0, never)).rejects.toMatchObject({ code: "host_offline" });
});

test("an agent is asked for one piece at a time, so that no more than one is before its own frames on a slow line", async () => {
  await using hub = await TestHub.start();
  const agent = await hub.client("web-1");
  agent.send(helloFrame({ agent: agentFacts({ capabilities: [READS_LOGS] }) }));
  await agent.frame("hello_ack");
  const reader = new AbortController();
  const left = expect(hub.gateway.readLog("backups/web-1", subject, 0, reader.signal)).rejects.toThrow("left");
  const second = hub.gateway.readLog("backups/web-1", subject, 7, never);
  const { id } = await agent.frame("read_log");
  reader.abort(new Error("left"));
  await left;
  // The answer to this comes behind all that the hub has to ask by then.
  agent.socket.send(JSON.stringify({ type: "of_a_newer_release" }));
  await agent.frame("error");
  expect(agent.frames.filter(({ type }) => type === "read_log")).toHaveLength(1);
  agent.send({ type: "log_missing", id, message: "none" });
  const next = await agent.frame("read_log", 2);
  expect(next.offset).toBe(7);
  agent.send({ type: "log_chunk", id: next.id, offset: 7, next: 9, text: "b\n", size: 9, ended: true });
  expect(await second).toEqual({ offset: 7, next: 9, text: "b\n", size: 9, ended: true });
  expect(await hub.metric("holdfast_agent_frames_total")).not.toContainEqual(
    expect.objectContaining({ labels: { type: "unasked" } }),
  );
});

test("an agent of a release before logs were shown is not asked, and whoever wants one is told to upgrade it", async () => {
  await using hub = await TestHub.start();
  const agent = await hub.client("web-1");
  await agent.hello();
  await expect(hub.gateway.readLog("backups/web-1", subject, 0, never)).rejects.toMatchObject({
    status: 501,
    code: "agent_too_old",
    message: expect.stringContaining("upgrade"),
  });
  expect(agent.frames.filter(({ type }) => type === "read_log")).toEqual([]);
});
