// Objects of the in-memory host.

import assert from "node:assert/strict";
import { test } from "node:test";

import { InvalidError, NotFoundError, PreconditionFailedError, Storage, Tensor } from "@keynet/inference";
import { Environment } from "@keynet/inference/testing";

const storage = new Storage();
const text = (bytes) => new TextDecoder().decode(bytes);

test("objects are stored, read, listed and deleted", async () => {
  const environment = new Environment().object("in/a.txt", "안녕", "text/plain").object("https://example.com/x", "web");
  await environment.run(async () => {
    assert.equal(text(await storage.get("in/a.txt")), "안녕");
    assert.equal(text(await storage.get("https://example.com/x")), "web");
    const stored = await storage.put("text", { contentType: "text/plain" });
    assert.match(stored.location, /^20260131\/[0-9a-f-]{36}$/);
    assert.equal(text(await storage.get(stored.url)), "text");
    assert.equal(await storage.getIfChanged(stored.location, stored.etag), undefined);
    await assert.rejects(storage.put("2", { key: stored.location, ifAbsent: true }), PreconditionFailedError);
    await assert.rejects(storage.put("2", { key: stored.location, ifMatch: '"9"' }), PreconditionFailedError);
    await storage.put(new Uint8Array([1, 2]), { key: stored.location, ifMatch: stored.etag });
    assert.deepEqual(await storage.head(stored.location), {
      location: stored.location,
      size: 2,
      contentType: undefined,
      etag: '"4"',
      modified: new Date(0),
    });
    const found = [];
    for await (const { location } of storage.list()) found.push(location);
    assert.deepEqual(found, [stored.location, "in/a.txt"]);
    await storage.delete(stored.location);
    await assert.rejects(storage.get(stored.location), NotFoundError);
    await storage.delete(stored.location);
    await assert.rejects(storage.get(undefined), /the location is text, not undefined: was the parameter sent\?/);
    await assert.rejects(storage.put({ a: 1 }), /JSON.stringify/);
    await assert.rejects(storage.put("x", { key: "https://example.com/x" }), InvalidError);
    assert.deepEqual(await storage.presignPut({ key: "out/b", ttlSeconds: 60 }), { location: "out/b", url: "https://storage.invalid/out/b" });
    await assert.rejects(storage.presign("in/a.txt", 0), /1 second or more/);
  });
  assert.deepEqual(environment.written, []);
});

test("parts of objects are read, and a change in between is an error", async () => {
  await new Environment().object("a", "0123456789").run(async () => {
    const opened = await storage.open("a");
    assert.deepEqual([opened.size, text(await opened.read(3, 4)), text(await opened.read(8, 100))], [10, "3456", "89"]);
    const parts = [];
    for await (const part of opened.parts(4)) parts.push(text(part));
    assert.deepEqual(parts, ["0123", "4567", "89"]);
    assert.deepEqual((await opened.toTensor("UINT8", [2, 5])).shape, [2, 5]);
    await assert.rejects(opened.toTensor("FP32", [3]), /do not fill the shape/);
    await assert.rejects(opened.read(-1, 1), /the offset is -1/);
    assert.equal((await storage.getTensor("a", "UINT8", [10])).dataType, "UINT8");
    await storage.put("other", { key: "a" });
    await assert.rejects(opened.read(0, 1), PreconditionFailedError);
    opened.close();
    await assert.rejects(opened.read(0, 1), /was closed/);
  });
});

test("an upload appears as a whole, and only when it is finished", async () => {
  const environment = new Environment();
  await environment.run(async () => {
    const upload = await storage.upload({ key: "rows.csv", contentType: "text/csv" });
    const row = new Uint8Array([97, 10]);
    await upload.write(row);
    row[0] = 98;
    await upload.write(row);
    await upload.write("c".repeat(300_000));
    await assert.rejects(storage.get("rows.csv"), NotFoundError);
    const { location } = await upload.finish();
    assert.equal(text(await storage.get(location)), `a\nb\n${"c".repeat(300_000)}`);
    await assert.rejects(upload.write("d"), /was finished or aborted/);
    await upload.abort();
    const thrown = await storage.upload({ key: "thrown" });
    await thrown.write("x");
    await thrown.abort();
    await assert.rejects(storage.get("thrown"), NotFoundError);
    await storage.put(Tensor.from(new Float32Array([1])), { key: "t" });
    await assert.rejects(storage.put(Tensor.from(new Float32Array([1])), { ifAbsent: true }), /without conditions/);
  });
  assert.deepEqual(environment.written.map(({ location, contentType }) => [location, contentType]), [
    ["rows.csv", "text/csv"],
    ["t", "application/octet-stream"],
  ]);
});
