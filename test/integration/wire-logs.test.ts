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
  agent.send({ type: "log_chunk", id, offset: 5, text: "words\n", size: 11, ended: true });
  expect(await read).toEqual({ offset: 5, text: "words\n", size: 11, ended: true });

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
