import { expect, test } from "vitest";
import { SeriesBook } from "./event-series.ts";

test("the first occurrence is an Event, those that follow are its count", () => {
  const book = new SeriesBook();
  const counts = [0, 1000, 2000].map((now) => book.observe("k", now, now).count);
  expect(counts).toEqual([1, 2, 3]);
});

test("after six minutes of silence the next occurrence is an Event of its own", () => {
  const book = new SeriesBook();
  expect([
    book.observe("k", 0, 0).count,
    book.observe("k", 0, 359_999).count,
    book.observe("k", 0, 719_999).count,
  ]).toEqual([1, 2, 1]);
});

test("a count is written once a minute at most, and only when it has grown", () => {
  const book = new SeriesBook();
  const series = book.observe("k", 0, 0);
  series.name = "n/e";
  book.observe("k", 10_000, 10_000);
  expect(book.due(59_999)).toEqual([]);
  expect(book.due(60_000).map(([key, { count }]) => [key, count])).toEqual([["k", 2]]);
  expect(book.due(300_000)).toEqual([]);
});

test("a count is not written before its Event is", () => {
  const book = new SeriesBook();
  book.observe("k", 0, 0);
  book.observe("k", 0, 0);
  expect(book.due(120_000)).toEqual([]);
});

test("of more than 1024 series the one silent longest is forgotten", () => {
  const book = new SeriesBook();
  for (let index = 0; index < 1024; index++) book.observe(`k${index}`, 0, 0);
  book.observe("k0", 0, 0);
  book.observe("one more", 0, 0);
  expect([book.observe("k0", 0, 0).count, book.observe("k1", 0, 0).count]).toEqual([3, 1]);
});
