import assert from "node:assert/strict";
import test from "node:test";

import { events } from "../src/events.js";
import { type Flightline, ok } from "../src/index.js";
import { admin, all, counting, pump } from "./suite.js";

const TIME = Date.parse("2026-01-02T10:00:00Z");

/** Sends one reading a minute. */
async function send(flightline: Flightline, equipment_id: string, minute: number): Promise<void> {
  const recorded_at = new Date(TIME + minute * 60_000).toISOString();
  await ok(flightline.api.POST("/api/data", { body: { equipment_id, recorded_at, metrics: { minute } } }));
}

test("a stream that breaks goes on where it was", async () => {
  const flightline = await admin();
  const equipment_id = await pump(flightline);
  let connect = () => {};
  const connected = new Promise<void>((resolve) => (connect = resolve));
  let connections = 0;
  // The first connection breaks after its first reading, with half of the next event.
  const breaking = async (request: Request) => {
    const response = await fetch(request);
    if (!request.url.includes("/watch")) return response;
    connections++;
    connect();
    if (connections > 1 || !response.body) return response;
    const cut = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        const text = new TextDecoder().decode(chunk);
        controller.enqueue(chunk);
        if (!text.includes("minute")) return;
        controller.enqueue(new TextEncoder().encode("id: nowhere\ndata: {"));
        controller.terminate();
      },
    });
    return new Response(response.body.pipeThrough(cut), response);
  };

  const watcher = await admin({ fetch: breaking });
  const stop = new AbortController();
  const query = { equipment_ids: [equipment_id] };
  const stream = watcher.watch("/api/data/watch", { query }, { signal: stop.signal });
  const minutes: (number | undefined)[] = [];
  const reading = (async () => {
    for await (const { readings } of stream) {
      for (const { metrics } of readings) minutes.push(metrics["minute"]);
      if (minutes.length === 1) {
        // Becomes durable while nobody listens.
        await send(flightline, equipment_id, 1);
        await send(flightline, equipment_id, 2);
      }
      if (minutes.length === 3) stop.abort();
    }
  })();
  await connected;
  await send(flightline, equipment_id, 0);
  await reading;

  assert.deepEqual(minutes, [0, 1, 2]);
  assert.ok(1 < connections);
});

test("a stream that is refused says why", async () => {
  const flightline = await admin();
  const query = { equipment_ids: ["pump"] };
  const stream = flightline.watch("/api/data/watch", { query });
  await assert.rejects(stream.next(), { name: "Problem", status: 400 });
});

for (const [end, status] of [["end", 503], ["token's end", 401]] as const) {
  test(`a stream whose ${end} is announced is taken up again`, async () => {
    const away = { type: "about:blank", title: "", status, detail: "", reason: "", metadata: {}, request_id: "", errors: [] };
    let answers = 0;
    const { fetch, seen } = counting(({ url }) => {
      if (!url.includes("/watch")) return undefined;
      const texts = ['id: a\ndata: {"readings": [], "resume_token": "a"}\n\n', `event: error\ndata: ${JSON.stringify(away)}\n\n`];
      const text = answers++ === 0 ? texts.join("") : "id: b\ndata: {}\n\n";
      return new Response(text, { headers: { "content-type": "text/event-stream" } });
    });
    const flightline = await admin({ fetch });
    const stream = flightline.watch("/api/data/watch");
    await stream.next();
    await stream.next();
    await stream.return(undefined);

    const resumed = seen.filter(({ url }) => url.includes("/watch")).map(({ headers }) => headers.get("last-event-id"));
    assert.deepEqual(resumed, [null, "a"]);
  });
}

test("events are read however they are cut and however their lines end", async () => {
  const text = ": hello\r\n\r\nid: 1\r\ndata: ä\u2028\r\ndata: b\r\n\r\nevent: error\ndata:c\n\nid: 2\ndata: unfinished";
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size < bytes.length; size++) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const seen = await all(events(body, 1000));
    assert.deepEqual(seen, [
      { id: "1", type: "message", data: "ä\u2028\nb" },
      { id: "", type: "error", data: "c" },
    ]);
  }
});

test("a silent stream is given up", async () => {
  const body = new ReadableStream<Uint8Array>({});
  await assert.rejects(events(body, 10).next(), { message: "the stream is silent" });
});
