// A suite at work, which whoever runs these tests has started: URL and PASSWORD say where it is and who its admin is.
import { Flightline, ok, type Options } from "../src/index.js";

export const URL = process.env["URL"] ?? "http://127.0.0.1:8000";
const PASSWORD = process.env["PASSWORD"] ?? "";

export function admin(options: Options = {}): Promise<Flightline> {
  return Flightline.logIn(URL, "admin", PASSWORD, options);
}

/** The id of a new pump, in a place of its own. */
export async function pump(flightline: Flightline, location = ""): Promise<string> {
  const body = { name: "Pump 7", type: "pump", location };
  return (await ok(flightline.api.POST("/api/equipment", { body }))).id;
}

/** All that comes. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** `fetch` that counts, and answers instead of the suite where `instead` does. */
export function counting(instead: (request: Request) => Response | undefined = () => undefined) {
  const seen: Request[] = [];
  const fetch = async (request: Request) => {
    seen.push(request.clone());
    return instead(request) ?? (await globalThis.fetch(request));
  };
  return { seen, fetch, count: (path: string) => seen.filter(({ url }) => url.endsWith(path)).length };
}

/** `fetch` that loses the first answer to a `method` beside the log-in: the suite has done what it was asked. */
export function losing(method: string) {
  let losses = 1;
  const { seen, count, fetch: send } = counting();
  const fetch = async (request: Request) => {
    const isLost = request.method === method && !request.url.endsWith("/api/token") && 0 < losses--;
    const answer = await send(request);
    if (isLost) throw new TypeError("the connection broke");
    return answer;
  };
  return { seen, fetch, count };
}
