import assert from "node:assert/strict";
import test from "node:test";

import { Flightline, ok, OutcomeUnknown, type Tokens } from "../src/index.js";
import { admin, all, counting, losing, URL } from "./suite.js";

test("what is safe to repeat is sent again when the suite asks to come later", async () => {
  const later = (path: string) => {
    let refusals = 2;
    return counting((request) =>
      request.url.endsWith(path) && 0 < refusals--
        ? new Response("", { status: 503, headers: { "retry-after": "0" } })
        : undefined,
    );
  };
  const read = later("/api/tasks");
  const { api } = await admin({ fetch: read.fetch });
  await ok(api.GET("/api/tasks"));
  assert.equal(read.count("/api/tasks"), 3);

  const keyed = later("/api/equipment");
  const header = { "Idempotency-Key": crypto.randomUUID() };
  const sender = await admin({ fetch: keyed.fetch });
  const body = { name: "Pump 7" };
  const pump = await ok(sender.api.POST("/api/equipment", { params: { header }, body }));
  assert.equal(keyed.count("/api/equipment"), 3);
  assert.deepEqual(await ok(sender.api.POST("/api/equipment", { params: { header }, body })), pump);

  const bare = later("/api/equipment");
  const careful = await admin({ fetch: bare.fetch });
  await assert.rejects(careful.api.POST("/api/equipment", { body }), { name: "Problem", status: 503 });
  assert.equal(bare.count("/api/equipment"), 1);
});

test("what is asked for too often is given up", async () => {
  const { fetch, count } = counting(({ url }) =>
    url.endsWith("/api/tasks") ? new Response("", { status: 429, headers: { "retry-after": "0" } }) : undefined,
  );
  const { api } = await admin({ fetch, attempts: 3 });
  await assert.rejects(ok(api.GET("/api/tasks")), { name: "Problem", status: 429 });
  assert.equal(count("/api/tasks"), 3);
});

test("what cannot be a number of attempts is refused", async () => {
  for (const attempts of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    const message = `attempts must be a whole number, 1 or more: ${attempts}`;
    assert.throws(() => new Flightline(URL, { attempts }), { name: "RangeError", message });
    await assert.rejects(admin({ attempts }), { name: "RangeError", message });
  }
});

test("a session that has ended is told of at once", async () => {
  let tokens: Tokens | undefined;
  const flightline = await admin({ onTokens: (now) => (tokens = now) });
  await flightline.logOut();
  assert.ok(tokens);

  const { fetch, count } = counting();
  const ended = new Flightline(URL, { fetch, tokens: { ...tokens, expiresAt: 0 } });
  await assert.rejects(ended.api.GET("/api/tasks"), { name: "Problem", status: 401 });
  await assert.rejects(ended.watch("/api/data/watch").next(), { name: "Problem", status: 401 });

  assert.equal(count("/api/token/refresh"), 2);
});

test("a lost answer is fetched again", async () => {
  const { fetch, count } = losing("POST");
  const location = `lost ${crypto.randomUUID()}`;
  const flightline = await admin({ fetch });
  const header = { "Idempotency-Key": crypto.randomUUID() };
  await ok(flightline.api.POST("/api/equipment", { params: { header }, body: { name: "Pump 7", location } }));

  assert.equal(count("/api/equipment"), 2);
  const made = await all(flightline.list("/api/equipment", { query: { location } }));
  assert.equal(made.length, 1);
});

test("a deletion whose answer was lost is done", async () => {
  const { fetch, seen } = losing("DELETE");
  const { api } = await admin({ fetch });
  const { id, etag } = await ok(api.POST("/api/tasks", { body: { title: "Look" } }));
  const params = { path: { id }, header: { "If-Match": etag } };

  const { response } = await api.DELETE("/api/tasks/{id}", { params });
  assert.equal(response.status, 204);
  assert.equal(seen.filter(({ method }) => method === "DELETE").length, 2);

  await assert.rejects(api.DELETE("/api/tasks/{id}", { params }), { name: "Problem", status: 404 });
});

test("a deletion of what was gone, which had to wait, has not been done", async () => {
  let refusals = 1;
  const { fetch } = counting(({ method }) =>
    method === "DELETE" && 0 < refusals-- ? new Response("", { status: 429, headers: { "retry-after": "0" } }) : undefined,
  );
  const { api } = await admin({ fetch });
  const params = { path: { id: crypto.randomUUID() }, header: { "If-Match": '"1"' } };
  await assert.rejects(api.DELETE("/api/tasks/{id}", { params }), { name: "Problem", status: 404 });
});

test("a write whose session could not be renewed was not sent, and the caller is told so", async () => {
  let tokens: Tokens | undefined;
  await admin({ onTokens: (now) => (tokens = now) });
  assert.ok(tokens);
  const { fetch, count } = counting(({ url }) => {
    if (url.endsWith("/api/token/refresh")) throw new TypeError("the connection broke");
    return undefined;
  });
  const { api } = new Flightline(URL, { fetch, tokens: { ...tokens, expiresAt: 0 } });
  await assert.rejects(api.POST("/api/tasks", { body: { title: "Look" } }), { name: "NotSent" });
  assert.deepEqual([count("/api/token/refresh"), count("/api/tasks")], [2, 0]);
});

test("a change whose answer was lost is not sent again, and the caller is told that it may have been done", async () => {
  const { api } = await admin();
  const { id, etag } = await ok(api.POST("/api/tasks", { body: { title: "Look" } }));
  const params = { path: { id }, header: { "If-Match": etag } };

  const changed = losing("PATCH");
  const changing = await admin({ fetch: changed.fetch });
  const change = changing.api.PATCH("/api/tasks/{id}", { params, body: { title: "Look again" } });
  await assert.rejects(change, (error) => error instanceof OutcomeUnknown && /^PATCH .* may have been done$/.test(error.message));
  assert.equal(changed.count(id), 1);
  assert.equal((await ok(api.GET("/api/tasks/{id}", { params: { path: { id } } }))).title, "Look again");

  const replaced = losing("PUT");
  const replacing = await admin({ fetch: replaced.fetch });
  const put = replacing.api.PUT("/api/tasks/{id}", { params: { path: { id } }, body: { title: "Look" } });
  await assert.rejects(put, { name: "OutcomeUnknown" });
  assert.equal(replaced.count(id), 1);

  const made = losing("POST");
  const making = await admin({ fetch: made.fetch });
  await assert.rejects(making.api.POST("/api/tasks", { body: { title: "Look" } }), { name: "OutcomeUnknown" });
  assert.equal(made.count("/api/tasks"), 1);
});
