import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout } from "node:timers/promises";

import { Flightline, ok, Problem, type Tokens } from "../src/index.js";
import { admin, all, counting, pump, URL } from "./suite.js";

test("a reading becomes an alert, a task and a record", async () => {
  const { api } = await admin();
  const equipment = await ok(api.POST("/api/equipment", { body: { name: "Pump 7", type: "pump" } }));
  const rule = { name: "Bearing too hot", equipment_id: equipment.id, metric: "temperature", threshold: 90, deadband: 5 };
  await api.POST("/api/rules", { body: { ...rule, condition: "ABOVE", open_task: true } });
  const reading = (recorded_at: string, temperature: number) => ({
    equipment_id: equipment.id,
    recorded_at,
    metrics: { temperature },
  });
  const readings = [reading("2026-01-02T10:00:00Z", 71.2), reading("2026-01-02T10:01:00Z", 95.5)];
  const batch = await ok(api.POST("/api/data/batch", { body: { readings } }));
  assert.deepEqual(batch, { accepted: 2, refused: [] });

  const query = { equipment_id: equipment.id };
  let task;
  while (!(task = (await ok(api.GET("/api/tasks", { params: { query } }))).tasks[0])) await setTimeout(50);
  const path = { id: task.id };
  await api.POST("/api/tasks/{id}/claim", { params: { path } });
  const record = { task_id: task.id, work_done: "Greased the bearing." };
  await api.POST("/api/maintenance", { body: record });
  await assert.rejects(api.POST("/api/maintenance", { body: record }), { name: "Problem", status: 409 });

  await api.POST("/api/data", { body: reading("2026-01-02T10:30:00Z", 70) });
  const { alerts } = await ok(api.GET("/api/alerts", { params: { query } }));
  assert.equal((await ok(api.GET("/api/tasks/{id}", { params: { path } }))).status, "COMPLETED");
  assert.equal(alerts[0]?.state, "CLEARED");
});

test("a refusal is a problem that names the fields", async () => {
  const { api } = await admin();
  const refused = api.POST("/api/tasks", { body: { title: " ", due_date: "tomorrow" } });
  const problem = await refused.then(() => assert.fail("it was taken"), (error: unknown) => error);

  assert.ok(problem instanceof Problem);
  assert.deepEqual([problem.status, problem.reason], [400, "INVALID_FIELD"]);
  assert.deepEqual(problem.errors.map(({ field }) => field), ["title", "due_date"]);
  assert.match(problem.requestId, /^[0-9a-f-]{36}$/);
});

test("a refusal that the suite did not write is a problem, too", async () => {
  const { fetch } = counting(({ url }) => (url.endsWith("/api/tasks") ? new Response("<h1>Away</h1>", { status: 502 }) : undefined));
  const { api } = await admin({ fetch });
  await assert.rejects(api.GET("/api/tasks"), { name: "Problem", status: 502, reason: "", message: "<h1>Away</h1>" });
});

test("many requests at once renew the session once", async () => {
  const { fetch, count } = counting();
  let tokens: Tokens | undefined;
  await admin({ onTokens: (now) => (tokens = now) });
  assert.ok(tokens);
  const old = tokens;
  const { api } = new Flightline(URL, { fetch, tokens: { ...old, expiresAt: 0 }, onTokens: (now) => (tokens = now) });

  await Promise.all(Array.from({ length: 10 }, () => ok(api.GET("/api/tasks"))));

  assert.equal(count("/api/token/refresh"), 1);
  assert.notEqual(tokens.refresh, old.refresh);
});

test("a token that is refused is renewed, and the request sent again with its body", async () => {
  let tokens: Tokens | undefined;
  await admin({ onTokens: (now) => (tokens = now) });
  assert.ok(tokens);
  const { fetch, count } = counting();
  const flightline = new Flightline(URL, { fetch, tokens: { ...tokens, access: "stale" } });

  assert.ok(await pump(flightline));

  assert.equal(count("/api/token/refresh"), 1);
  assert.equal(count("/api/equipment"), 2);
});

test("who has logged out is nobody", async () => {
  const flightline = await admin();
  await flightline.logOut();
  const ask = () =>
    flightline.api.GET("/api/tasks").then(
      ({ response }) => response.status,
      (problem: Problem) => problem.status,
    );
  let answer = await ask();
  // Other processes of the suite hear of it within a second.
  for (let tries = 0; answer === 200 && tries < 50; tries++) {
    await setTimeout(100);
    answer = await ask();
  }
  assert.equal(answer, 401);
});

test("a list gives every item once, page by page", async () => {
  const { fetch, seen } = counting();
  const flightline = await admin({ fetch });
  const location = `list ${crypto.randomUUID()}`;
  const made = [];
  for (let number = 0; number < 5; number++) made.push(await pump(flightline, location));

  const query = { location, page_size: 2, order_by: "created_at" } as const;
  const found = await all(flightline.list("/api/equipment", { query }));

  assert.deepEqual(found.map(({ id }) => id), made);
  assert.equal(seen.filter(({ url }) => url.includes("page_size=2")).length, 3);
});
