import { createHash, createPrivateKey } from "node:crypto";

/** A shorter half of a value could stand somewhere by chance. */
const SHORTEST_HALF = 8;

/** Where a canary was found. Its value is not told: this is shown in test reports. */
export interface Find {
  readonly canary: string;
  /** How it was written there: "plain", "base64", … */
  readonly form: string;
  readonly place: string;
  /** What stands around it, itself made `***`. */
  readonly around: string;
}

/** Values that nobody may see, and the search for them in all the ways a program may have written them. */
export class Canaries {
  readonly #needles: { canary: string; form: string; text: string }[] = [];

  /**
   * `value`: random, of 16 bytes or more; throws where it could be found by chance. `hashed`: that its SHA-256 may be seen,
   * as of 256 random bits, but not of a password, which can be searched for by it.
   */
  add(canary: string, value: string | Buffer, hashed: "shown" | "hidden" = "hidden"): void {
    for (const [form, text] of formsOf(Buffer.from(value))) {
      if (form === "SHA-256" && hashed === "shown") continue;
      const middle = Math.floor(text.length / 2);
      // A program may cut a line anywhere: one of the halves is whole then.
      for (const half of [text.slice(0, middle), text.slice(middle)]) {
        if (half.length < SHORTEST_HALF) throw new Error(`canary ${canary} is too short to be searched for`);
        if (!this.#needles.some((needle) => needle.text === half && needle.canary === canary)) {
          this.#needles.push({ canary, form, text: half });
        }
      }
    }
  }

  /** A private key in PEM (PKCS #8): its secret part only, since the rest stands in certificates too. */
  addKey(canary: string, pem: string): void {
    const { d = "" } = createPrivateKey(pem).export({ format: "jwk" });
    this.add(canary, Buffer.from(d, "base64url"));
  }

  /** Every canary in `content`, once for each form. */
  search(place: string, content: Buffer | string): Find[] {
    const text = Buffer.from(content).toString("latin1");
    const found = new Map<string, Find>();
    for (const { canary, form, text: needle } of this.#needles) {
      const at = text.indexOf(needle);
      if (at < 0 || found.has(`${canary} ${form}`)) continue;
      const around = this.#masked(text.slice(Math.max(0, at - 120), at + 2 * needle.length + 40));
      found.set(`${canary} ${form}`, { canary, form, place, around });
    }
    return [...found.values()];
  }

  #masked(text: string): string {
    const masked = this.#needles.reduce((left, needle) => left.replaceAll(needle.text, "***"), text);
    return Buffer.from(masked, "latin1").toString("utf8");
  }
}

/** Latin1 strings of the bytes that stand for `value` in each way of writing it. */
function formsOf(value: Buffer): [form: string, text: string][] {
  const text = value.toString("utf8");
  const isText = Buffer.from(text, "utf8").equals(value);
  const json = JSON.stringify(text).slice(1, -1);
  const latin1 = (written: string) => Buffer.from(written, "utf8").toString("latin1");
  const asText: [string, string][] = [
    ["JSON", latin1(json)],
    ["JSON in JSON", latin1(JSON.stringify(json).slice(1, -1))],
    ["URL", encodeURIComponent(text)],
    ["form", new URLSearchParams({ "": text }).toString().slice(1)],
    ...inBase64(Buffer.from(json)),
  ];
  return [
    ["plain", value.toString("latin1")],
    ...(isText ? asText : []),
    ["hex", value.toString("hex")],
    ["HEX", value.toString("hex").toUpperCase()],
    ["SHA-256", createHash("sha256").update(value).digest("hex")],
    ...inBase64(value),
  ];
}

/** The characters of base64 that depend on `value` alone, behind any number of other bytes. */
function inBase64(value: Buffer): [form: string, text: string][] {
  return [0, 1, 2].flatMap((before): [string, string][] => {
    const whole = Buffer.concat([Buffer.alloc(before), value]).toString("base64");
    const own = whole.slice(Math.ceil((before * 8) / 6), Math.floor(((before + value.length) * 8) / 6));
    return [
      ["base64", own],
      ["base64url", own.replaceAll("+", "-").replaceAll("/", "_")],
    ];
  });
}
