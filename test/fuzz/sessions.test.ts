import fc from "fast-check";
import { expect, test } from "vitest";
import { helloFrame } from "#protocol/fixtures.ts";
import { agentFrame, serverFrame } from "#protocol/frames.ts";
import { MAX_FRAME_BYTES, MAX_UNACKED_RECORDS } from "#protocol/limits.ts";
import { step as linkStep, wakeAt as linkWakeAt, newLink } from "../../agent/link/link-machine.ts";
import { DEFAULT_LINK_SETTINGS, type LinkEvent } from "../../agent/link/link-state.ts";
import { newSession, step, wakeAt } from "../../operator/hub/session.ts";
import type { SessionEvent } from "../../operator/hub/session-state.ts";
import { anyText, arbitraryOf } from "./arbitrary-of.ts";
import { anyFrameText, nearlyValid } from "./hostile-text.ts";

const HOST = { namespace: "backups", name: "web-1", uid: "uid-1" };
const text = (schema: typeof agentFrame | typeof serverFrame) =>
  fc.oneof(
    { weight: 3, arbitrary: arbitraryOf(schema).map((frame) => JSON.stringify(frame)) },
    { weight: 1, arbitrary: nearlyValid(arbitraryOf(schema)) },
    { weight: 1, arbitrary: anyFrameText },
  );
const passing = fc.integer({ min: 0, max: 120_000 });

const hello = JSON.stringify(helloFrame({ hostUID: "uid-1" }));

/** What may come from the agent, the network and the Kubernetes side, in any order. */
const sessionEvent: fc.Arbitrary<SessionEvent> = fc.oneof(
  { weight: 8, arbitrary: text(agentFrame).map((of): SessionEvent => ({ type: "message", text: of })) },
  fc.constantFrom<SessionEvent[]>(
    { type: "heard" },
    { type: "binary" },
    { type: "tick" },
    { type: "refresh" },
    { type: "opened", session: { epoch: 7, nonce: "n", clusterID: "c" } },
    { type: "open_refused", refusal: { code: "host_unknown", message: "gone" } },
    { type: "desired", desired: { commands: [] } },
    { type: "written", result: { result: "written" } },
    { type: "written", result: { result: "forbidden", message: "x".repeat(5000) } },
    { type: "reported", result: "written" },
    { type: "reported", result: "superseded" },
    { type: "observed", seen: { uid: "uid-1", epoch: 9, revoked: false } },
    { type: "observed", seen: undefined },
    { type: "read_log", id: "1", subject: { kind: "run", uid: "run-1" }, offset: 0 },
    { type: "drain", retryAfterMs: 10 },
    { type: "failed", port: "record" },
    { type: "closed", code: 1006, reason: "" },
  ),
  fc.nat({ max: 16 * 2 ** 20 }).map((bytes): SessionEvent => ({ type: "buffered", bytes })),
);

test("a session answers any events in any order with frames an agent takes, holds a bounded number of records and closes once", () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(fc.tuple(passing, sessionEvent), { maxLength: 40 }), (greeted, events) => {
      let now = { wall: 0, monotonic: 0 };
      let state = newSession(HOST, 3_600_000, now);
      let closes = 0;
      const first: [number, SessionEvent][] = greeted
        ? [
            [0, { type: "message", text: hello }],
            [0, { type: "opened", session: { epoch: 7, nonce: "n", clusterID: "c" } }],
          ]
        : [];
      for (const [ms, event] of [...first, ...events]) {
        now = { wall: now.wall + ms, monotonic: now.monotonic + ms };
        const wasClosed = state.phase === "closed";
        const [next, effects] = step(state, event, now);
        state = next;
        for (const effect of effects) {
          if (effect.type === "send") expect(serverFrame.safeParse(effect.frame).error).toBeUndefined();
          if (effect.type === "send") expect(JSON.stringify(effect.frame).length).toBeLessThan(MAX_FRAME_BYTES);
          if (effect.type === "close") closes++;
          if (wasClosed) expect(effect.type).toBe("left");
        }
        expect(state.queue.length).toBeLessThanOrEqual(MAX_UNACKED_RECORDS);
        expect(wakeAt(state)).not.toBeNaN();
      }
      expect(closes).toBeLessThanOrEqual(1);
    }),
    { numRuns: 400 },
  );
});

const answer = fc.constantFrom("accepted", "duplicate", "expired", "refused");
const linkEvent: fc.Arbitrary<LinkEvent> = fc.oneof(
  { weight: 8, arbitrary: text(serverFrame).map((of): LinkEvent => ({ type: "message", text: of })) },
  fc.constantFrom<LinkEvent[]>({ type: "tick" }, { type: "heard" }, { type: "binary" }, { type: "recorded" }),
  fc.nat({ max: 16 * 2 ** 20 }).map((bytes): LinkEvent => ({ type: "buffered", bytes })),
  fc
    .tuple(fc.integer({ min: 1000, max: 4999 }), anyText())
    .map(([code, reason]): LinkEvent => ({ type: "closed", code, reason })),
  fc
    .tuple(fc.integer({ min: 100, max: 599 }), fc.double({ min: 0, noNaN: true }), anyText())
    .map(([status, retryAfterMs, message]): LinkEvent => ({ type: "refused", status, retryAfterMs, message })),
  anyText(3000).map(
    (message): LinkEvent => ({ type: "config", id: "a".repeat(64), result: { refused: "PolicyLost", message } }),
  ),
  anyText(3000).map((missing): LinkEvent => ({ type: "log_read", id: "1", answer: { missing } })),
  fc
    .tuple(answer, anyText(3000))
    .map(([state, message]): LinkEvent => ({ type: "answered", id: "c", answer: { state, message } as never })),
);

test("a link answers any events in any order with frames an operator takes, and always has a next step within hours", () => {
  const greeting: LinkEvent = JSON.parse(
    JSON.stringify({
      type: "connected",
      stream: "s",
      hello: { ...JSON.parse(hello), type: undefined, protocol: undefined, wallTime: undefined },
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(passing, linkEvent), { maxLength: 40 }), (events) => {
      let now = { wall: 0, monotonic: 0, chance: 0.5 };
      let state = newLink(DEFAULT_LINK_SETTINGS, now);
      for (const [ms, event] of events) {
        now = { ...now, wall: now.wall + ms, monotonic: now.monotonic + ms };
        const steps = state.phase === "dialing" ? [greeting, event] : [event];
        for (const each of steps) {
          const [next, effects] = linkStep(state, each, now);
          state = next;
          for (const effect of effects) {
            if (effect.type === "send") expect(agentFrame.safeParse(effect.frame).error).toBeUndefined();
          }
        }
        expect(state.outbox.unacked.length).toBeLessThanOrEqual(MAX_UNACKED_RECORDS);
        expect(linkWakeAt(state) - now.monotonic).toBeLessThanOrEqual(2 * 3_600_000);
      }
    }),
    { numRuns: 400 },
  );
});
