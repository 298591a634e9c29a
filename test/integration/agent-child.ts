import { createInterface } from "node:readline";
import { openAgent } from "./agent-world.ts";

/**
 * An agent as a process of its own, for tests that kill it. Takes the folder as argument and JSON lines on stdin
 * ({config} or {command}); says each record of its outbox and each progress report as a JSON line on stdout.
 */
const agent = await openAgent(process.argv[2]!);
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

let sent = 0;
function records(): void {
  for (const { seq, record } of agent.core.outbox.pending(sent, 1000)) {
    sent = seq;
    say({ record });
  }
}
agent.core.onRecord(records);
agent.core.onProgress((progress) => say({ progress }));
records();
say({ active: agent.core.active() });

for await (const line of createInterface({ input: process.stdin })) {
  const { config, command } = JSON.parse(line);
  if (config !== undefined) say({ applied: agent.core.applyConfig(config) });
  if (command !== undefined) say({ answer: agent.core.command(command) });
}
await agent.close();
