/**
 * `crypto.getRandomValues` and `crypto.randomUUID`. QuickJS has none; SpiderMonkey's would end the build without a word if a module called
 * them while it is loaded.
 */
import { inActivation } from "./engine.js";
import { randomBytes } from "./random.js";
const MOST = 65_536;
function getRandomValues(array) {
    if (!ArrayBuffer.isView(array))
        throw new TypeError("getRandomValues takes a typed array of integers");
    if (array.byteLength > MOST)
        throw new RangeError(`getRandomValues fills at most ${MOST} bytes at once, not ${array.byteLength}`);
    refuseInBuild("getRandomValues");
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(randomBytes(array.byteLength));
    return array;
}
function randomUUID() {
    refuseInBuild("randomUUID");
    const bytes = randomBytes(16);
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
function refuseInBuild(name) {
    if (inActivation())
        return;
    throw new Error(`crypto.${name} was called while the module is loaded: every activation would have the same bytes. Call it inside the function`);
}
const crypto = Object.create(globalThis.crypto ?? null, {
    getRandomValues: { value: getRandomValues, enumerable: true },
    randomUUID: { value: randomUUID, enumerable: true },
});
Object.defineProperty(globalThis, "crypto", { value: crypto, configurable: true, writable: true });
