import { Problem } from "./problem.js";

export type Fetch = (request: Request) => Promise<Response>;

/** How often a request is sent at most. */
export const ATTEMPTS = 4;

/** Statuses that ask to come again: too often, and away. */
const LATER = [429, 503];

/**
 * Sends a request, again where that is safe and promises something: it was refused for now, or its answer was lost. Safe is
 * what changes nothing twice: GET, HEAD, PUT, DELETE, and whatever carries an `Idempotency-Key`.
 */
export async function send(fetch: Fetch, request: Request, attempts = ATTEMPTS): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt === attempts || !isRepeatable(request);
    let response: Response | undefined;
    try {
      response = await fetch(isLast ? request : request.clone());
    } catch (error) {
      if (isLast || request.signal.aborted) throw error;
    }
    if (response && (isLast || !LATER.includes(response.status))) return response;
    await response?.body?.cancel();
    await sleep(delay(attempt, response?.headers.get("retry-after")), request.signal);
  }
}

/** The same, and a refusal is thrown as a [[Problem]]. */
export async function ask(fetch: Fetch, request: Request, attempts?: number): Promise<Response> {
  const response = await send(fetch, request, attempts);
  if (response.ok || response.status === 304) return response;
  throw await Problem.of(response);
}

export function isRepeatable(request: Request): boolean {
  return ["GET", "HEAD", "PUT", "DELETE"].includes(request.method) || request.headers.has("idempotency-key");
}

/** Milliseconds until the next attempt: what the suite asks for, or twice as long each time; never all clients at once. */
export function delay(attempt: number, retryAfter?: string | null): number {
  const asked = Number(retryAfter ?? Number.NaN) * 1000;
  const least = Number.isFinite(asked) ? asked : Math.min(125 * 2 ** attempt, 10_000);
  return least * (1 + Math.random() / 4);
}

export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
