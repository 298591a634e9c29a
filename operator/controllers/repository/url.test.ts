import { expect, test } from "vitest";
import { canonicalURL } from "./url.ts";

test.each([
  ["a trailing slash does not count", "rest:https://b.example.com/web/", "rest:https://b.example.com/web"],
  ["upper case in the host does not count", "rest:https://B.Example.com/Web", "rest:https://b.example.com/Web"],
  ["the scheme's own port does not count", "rest:https://b.example.com:443/web", "rest:https://b.example.com/web"],
  ["another port does", "rest:https://b.example.com:8000/web", "rest:https://b.example.com:8000/web"],
  ["doubled slashes do not count", "rest:https://b.example.com//a//b/", "rest:https://b.example.com/a/b"],
  ["an S3 endpoint without https means https", "s3:s3.example.com/bucket/", "s3:https://s3.example.com/bucket"],
  ["a bucket keeps its spelling", "b2:Bucket:path/", "b2:Bucket:path"],
  ["sftp stays as it is", "sftp:user@host:/srv/repo/", "sftp:user@host:/srv/repo"],
])("%s", (_, url, want) => expect(canonicalURL(url)).toBe(want));

test("a path and an rclone remote are another repository on each host", () => {
  expect(canonicalURL("/mnt/disk/repo")).toBeUndefined();
  expect(canonicalURL("rclone:remote:path")).toBeUndefined();
});
