import { expect, test } from "vitest";
import { readHostPort, writeHostPort } from "./host-port.ts";

test.each([
  ["holdfast.example.com:8443", { host: "holdfast.example.com", port: 8443 }],
  ["10.0.0.7:1", { host: "10.0.0.7", port: 1 }],
  ["[fd00::7]:65535", { host: "fd00::7", port: 65535 }],
])("%s is a host and a port, and is written so", (text, hostPort) => {
  expect(readHostPort(text)).toEqual(hostPort);
  expect(writeHostPort(hostPort)).toBe(text);
});

test.each([
  "",
  "host",
  "host:",
  ":8443",
  "host:0",
  "host:65536",
  "fd00::7:8443",
  "[host]:8443",
  "[:::]:8443",
  "300.0.0.1:8443",
  "host/x:8443",
  "host?x:8443",
  "host#x:8443",
  "me@host:8443",
  "host%2f:8443",
  " host:8443",
  "host:8443/x",
  "host:8443\n",
])("%j is none", (text) => {
  expect(readHostPort(text)).toBeUndefined();
});
