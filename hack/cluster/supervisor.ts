// The process that answers for one control plane: it holds the servers as its children, carries out its owner's orders
// and takes everything down when the owner is gone, whatever ended it. Started by cluster.ts only.
import { systemClock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { systemRandom } from "#base/random.ts";
import { ControlPlane, lastOf } from "./control-plane.ts";
import { layoutOf } from "./layout.ts";
import { createDirectory, remove } from "./leftovers.ts";
import type { Order, Reply, Request } from "./messages.ts";

let directory: string | undefined;
let plane: ControlPlane | undefined;
let standing = false;
let ending: Promise<never> | undefined;

process.on("message", ({ id, order }: Request) => {
  carryOut(order).then(
    (result) => reply({ type: "done", id, ...result }),
    (error: unknown) => reply({ type: "done", id, error: messageOf(error) }),
  );
});
// The owner's end of the channel closes when the owner ends, also by kill -9.
process.on("disconnect", () => {
  if (!standing) end(0);
});
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => end(0));
process.on("uncaughtException", () => end(1));
if (!process.connected) end(1);

async function carryOut(order: Order): Promise<{ directory?: string }> {
  switch (order.type) {
    case "start":
      return { directory: await start(order) };
    case "stop":
      await plane?.stop(order.server, order.signal);
      return {};
    case "signal":
      plane?.signal(order.server, order.signal);
      return {};
    case "restart":
      await plane?.restart(order.server);
      return {};
  }
}

async function start(order: Order & { type: "start" }): Promise<string> {
  directory = createDirectory();
  const layout = layoutOf(directory);
  let up = false;
  plane = new ControlPlane(layout, order.programs, systemClock, (server) => {
    if (!up) return; // start() itself notices and says so
    reply({ type: "died", server, log: lastOf(layout.log(server)) });
    end(1);
  });
  await plane.start(systemRandom, order.standing);
  up = true;
  standing = order.standing;
  return directory;
}

/** Removes all of the control plane, then ends this process: an owner that sees it end knows that nothing is left. */
function end(code: number): Promise<never> {
  ending ??= (async () => {
    try {
      await plane?.kill();
      if (directory !== undefined) await remove(directory, systemClock);
    } finally {
      process.exit(code);
    }
  })();
  return ending;
}

function reply(message: Reply): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
