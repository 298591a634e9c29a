// An owner to kill: starts a control plane, says where, and waits. Started by cluster.test.ts.
import { startCluster } from "../../hack/cluster/cluster.ts";

const cluster = await startCluster({ report: (line) => console.error(line) });
console.log(cluster.directory);
setInterval(() => {}, 60_000);
