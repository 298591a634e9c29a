// A candidate to freeze and kill: stands for election and says what becomes of it. Started by kube-leader.test.ts with
// kubeconfig, namespace, lease, identity and the timing as JSON; ends cleanly on SIGTERM.
import { LeaderElector } from "../../operator/kube/leader.ts";
import { kubeParts } from "./kube-parts.ts";

const [kubeconfig, namespace, name, identity, timing] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const parts = await kubeParts(kubeconfig);
const say = (what: string) => process.stdout.write(`${what}\n`);
const ended = new AbortController();
process.on("SIGTERM", () => ended.abort());
const elector = new LeaderElector({
  ...parts,
  namespace,
  name,
  identity,
  timing: JSON.parse(timing),
  onStartedLeading: () => say("leading"),
  onStoppedLeading: () => say("stopped"),
});
// What a wake-up after a freeze finds first, before any timer of the elector has run.
setInterval(() => say(elector.isLeader ? "is leader" : "is not leader"), 50);
await elector.run(ended.signal);
await parts.client.close();
process.exit(0);
