import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Link } from "../../../../agent/link/link.ts";
import { DEFAULT_LINK_SETTINGS } from "../../../../agent/link/link-state.ts";
import type { ForWorker, FromWorker } from "../messages.ts";
import { SimulatedCore, type Tally } from "../simulated-core.ts";

/** Several hundred agents in one process: the real link on real sockets, each with an identity of its own. */
const links: Link[] = [];
const tally: Tally = { configs: 0, resolved: 0, configBytes: 0, runs: 0 };
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const send = (message: FromWorker) => process.send?.(message);

process.on("disconnect", () => process.exit(0));
process.on("message", (message: ForWorker) => {
  if (message.type === "start") {
    const settings = { ...DEFAULT_LINK_SETTINGS, ...message.settings };
    for (const identity of message.identities) {
      const core = new SimulatedCore(identity, tally);
      const link = new Link({ core, settings, clock: systemClock, random: systemRandom, log: quiet });
      links.push(link);
      link.start();
    }
  }
  const statuses = links.map((link) => link.status());
  const connected = statuses.filter((status) => status.connected);
  const reasons: { [reason: string]: number } = {};
  for (const { reason } of statuses) if (reason !== "") reasons[reason] = (reasons[reason] ?? 0) + 1;
  send({ ...tally, connected: connected.length, since: connected.map(({ since }) => since), reasons });
});
