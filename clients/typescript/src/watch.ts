import { events } from "./events.js";
import { address, type Answered, type Asked } from "./list.js";
import { Problem, type ProblemDocument } from "./problem.js";
import { ask, delay, type Fetch, sleep } from "./retry.js";
import type { paths } from "./schema.js";

/** The paths of streams. */
export type WatchPath = {
  [P in keyof paths]: [Answered<P, "application/x-ndjson">] extends [never] ? never : P;
}[keyof paths];

export type WatchParams<P extends WatchPath> = Asked<P>;

/** What a stream tells: `WatchReadingsResponse` for `/api/data/watch`. */
export type WatchEvent<P extends WatchPath> = Answered<P, "application/x-ndjson">;

export interface WatchOptions {
  /** Ends the stream. */
  signal?: AbortSignal;
  /** Where to go on: `resume_token` of the last event that was dealt with. */
  resumeToken?: string;
  /** Milliseconds without a sign of life after which the stream is taken up anew; the suite gives one every 15 seconds. */
  idle?: number;
}

/** Refusals after which a stream may be there again. */
const PASSING = [429, 503, 504];

/** What ends a stream that can be taken up where it was: also its token's end, since the next connection has a new one. */
const ENDING = [401, ...PASSING];

/**
 * The events of a stream, for ever: a connection that breaks is made anew and goes on after the last event. It ends when the
 * signal says so, and throws what the suite refuses.
 */
export async function* watch<P extends WatchPath>(
  fetch: Fetch,
  url: string,
  path: P,
  params: WatchParams<P>,
  { signal, resumeToken = "", idle = 45_000 }: WatchOptions,
): AsyncGenerator<WatchEvent<P>> {
  let last = resumeToken;
  let failures = 0;
  while (!signal?.aborted) {
    let isOpen = false;
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (last) headers["last-event-id"] = last;
      const request = new Request(address(url, path, params as object), { headers, signal: signal ?? null });
      const { body } = await ask(fetch, request);
      isOpen = true;
      for await (const { id, type, data } of events(body as ReadableStream<Uint8Array>, idle)) {
        if (type === "error") throw new Problem(JSON.parse(data) as ProblemDocument);
        yield JSON.parse(data) as WatchEvent<P>;
        last = id || last;
        failures = 0;
      }
    } catch (error) {
      if (signal?.aborted) return;
      const isPassing = error instanceof Problem ? (isOpen ? ENDING : PASSING).includes(error.status) : error instanceof TypeError;
      if (!isPassing) throw error;
      failures++;
    }
    await sleep(delay(failures), signal).catch(() => {});
  }
}
