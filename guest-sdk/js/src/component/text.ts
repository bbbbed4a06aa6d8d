/** `TextEncoder` and `TextDecoder`, which QuickJS does not have. */

/** How many bytes become text at once: each is an argument on the stack. */
const CHUNK = 4096;
const ASCII = /^[\0-\x7f]*$/;

class Utf8Encoder {
  readonly encoding = "utf-8";

  encode(text = ""): Uint8Array {
    const well = String(text).toWellFormed();
    return bytesOf(ASCII.test(well) ? well : unescape(encodeURIComponent(well)));
  }

  encodeInto(text: string, into: Uint8Array): { read: number; written: number } {
    let [read, written] = [0, 0];
    for (const letter of text) {
      const bytes = this.encode(letter);
      if (written + bytes.length > into.length) break;
      into.set(bytes, written);
      written += bytes.length;
      read += letter.length;
    }
    return { read, written };
  }
}

class Utf8Decoder {
  readonly encoding = "utf-8";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  /** The bytes of a character that goes on in the next part. */
  #rest = new Uint8Array();
  #began = false;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false }: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    if (!/^(unicode-1-1-)?utf-?8$/i.test(String(label).trim())) {
      throw new RangeError(`TextDecoder has no "${label}" in QuickJS, only utf-8: \`"keynet": { "engine": "spidermonkey" }\` in package.json has more`);
    }
    this.fatal = Boolean(fatal);
    this.ignoreBOM = Boolean(ignoreBOM);
  }

  decode(input?: ArrayBuffer | ArrayBufferView, { stream = false }: { stream?: boolean } = {}): string {
    const part = viewOf(input);
    let bytes = part;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + part.length);
      bytes.set(this.#rest);
      bytes.set(part, this.#rest.length);
    }
    const end = stream ? bytes.length - unfinished(bytes) : bytes.length;
    this.#rest = bytes.slice(end);
    let text = this.#text(bytes.subarray(0, end));
    if (!this.#began && !this.ignoreBOM && text.startsWith("\ufeff")) text = text.slice(1);
    this.#began = stream && (this.#began || end > 0);
    return text;
  }

  #text(bytes: Uint8Array): string {
    const latin = latinOf(bytes);
    if (ASCII.test(latin)) return latin;
    try {
      return decodeURIComponent(escape(latin));
    } catch {
      if (this.fatal) throw new TypeError("the bytes are not UTF-8");
      return replaced(bytes);
    }
  }
}

function bytesOf(latin: string): Uint8Array {
  const bytes = new Uint8Array(latin.length);
  for (let at = 0; at < latin.length; at++) bytes[at] = latin.charCodeAt(at);
  return bytes;
}

function latinOf(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK) as unknown as number[]);
  }
  return text;
}

function viewOf(input: ArrayBuffer | ArrayBufferView | undefined): Uint8Array {
  if (input === undefined) return new Uint8Array();
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return new Uint8Array(input);
}

/** Returns how many bytes at the end begin a character that may go on. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? back : 0;
  }
  return 0;
}

/** Decodes bytes, with U+FFFD for each longest part that is no UTF-8, as the Encoding Standard has it. */
function replaced(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++] ?? 0;
    if (first < 0x80) {
      text += String.fromCharCode(first);
      continue;
    }
    let [needed, code] = first >= 0xc2 && first <= 0xdf ? [1, first & 0x1f] : first >= 0xe0 && first <= 0xef ? [2, first & 0xf] : [3, first & 7];
    if (first < 0xc2 || first > 0xf4) {
      text += "\ufffd";
      continue;
    }
    let [least, most] = [first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80, first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf];
    for (; needed > 0; needed--) {
      const byte = bytes[at];
      if (byte === undefined || byte < least || byte > most) break;
      code = (code << 6) | (byte & 0x3f);
      at += 1;
      [least, most] = [0x80, 0xbf];
    }
    text += needed > 0 ? "\ufffd" : String.fromCodePoint(code);
  }
  return text;
}

Object.assign(globalThis, { TextEncoder: Utf8Encoder, TextDecoder: Utf8Decoder });
