// Plain JavaScript because hack/setup.mjs needs it before Node 24 is installed.
import { createHash } from "node:crypto";
import { connect, createServer } from "node:net";
import { userInfo } from "node:os";

/** See lock.d.mts. */
export async function withLock(name, onWait, run) {
  // An abstract socket (Linux) belongs to the process, not to the disk: the kernel frees it when the process dies, so
  // there is no stale lock to recognise, and a waiter sees its own connection end when the holder lets go.
  const address = `\0holdfast-${createHash("sha256").update(`${userInfo().uid} ${name}`).digest("hex").slice(0, 32)}`;
  for (let waited = false; ; waited = true) {
    const server = await hold(address);
    if (server !== undefined) {
      try {
        return await run();
      } finally {
        server.release();
      }
    }
    if (!waited) onWait();
    await released(address);
  }
}

function hold(address) {
  return new Promise((resolve, reject) => {
    const waiters = new Set();
    const server = createServer((socket) => {
      waiters.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => waiters.delete(socket));
      socket.unref();
    });
    server.on("error", (error) => (error.code === "EADDRINUSE" ? resolve(undefined) : reject(error)));
    server.listen(address, () => {
      server.unref();
      resolve({
        release() {
          server.close();
          for (const socket of waiters) socket.destroy();
        },
      });
    });
  });
}

/** Resolves when the holder has let go, or at once when there is none. */
function released(address) {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.on("error", () => {});
    socket.on("close", resolve);
    socket.resume();
  });
}
