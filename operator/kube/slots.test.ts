import { expect, test } from "vitest";
import { Slots } from "./slots.ts";

test("who waits longest gets the next free slot", async () => {
  const slots = new Slots(1);
  const first = await slots.take();
  const order: string[] = [];
  const second = slots.take().then((slot) => {
    order.push("second");
    return slot;
  });
  const third = slots.take().then((slot) => {
    order.push("third");
    return slot;
  });
  first[Symbol.dispose]();
  first[Symbol.dispose](); // given back once, however often
  (await second)[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  expect(order).toEqual(["second", "third"]);
  await slots.take();
});

test("who gives up waiting leaves the queue and takes nothing", async () => {
  const slots = new Slots(1);
  const held = await slots.take();
  const gaveUp = new AbortController();
  const waiting = slots.take(gaveUp.signal);
  const next = slots.take();
  gaveUp.abort(new Error("changed my mind"));
  await expect(waiting).rejects.toThrow("changed my mind");
  held[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  await expect(slots.take(AbortSignal.abort(new Error("too late")))).rejects.toThrow("too late");
});
