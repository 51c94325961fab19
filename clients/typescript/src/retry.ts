import { Problem } from "./problem.js";

export type Fetch = (request: Request) => Promise<Response>;

/** How often a request is sent at most. */
export const ATTEMPTS = 4;

/** Statuses that ask to come again: too often, and away. */
const LATER = [429, 503];

/**
 * A write whose answer was lost, and that is not sent again: it was done or it was not. Read what there is, and decide. It is a
 * `TypeError`, as any lost answer is.
 */
export class OutcomeUnknown extends TypeError {
  override readonly name = "OutcomeUnknown";

  constructor({ method, url }: Request, cause: unknown) {
    super(`${method} ${new URL(url).pathname} was not answered, and may have been done`, { cause });
  }
}

/** A request that was never sent, since the answer that renews its session was lost. It is a `TypeError`, as any lost answer is. */
export class NotSent extends TypeError {
  override readonly name = "NotSent";

  constructor(cause: unknown) {
    super("not sent: the session could not be renewed", { cause });
  }
}

/** How often a request is sent at most, if that is a number of times. */
export function checked(attempts = ATTEMPTS): number {
  if (Number.isInteger(attempts) && 1 <= attempts) return attempts;
  throw new RangeError(`attempts must be a whole number, 1 or more: ${attempts}`);
}

/**
 * Sends a request, again where that is safe and promises something: it was refused for now, or its answer was lost. A DELETE that
 * may have been done and, sent again, finds nothing has done its work.
 */
export async function send(fetch: Fetch, request: Request, attempts = ATTEMPTS): Promise<Response> {
  let mayBeDone = false;
  for (let attempt = 1; ; attempt++) {
    const isLast = attempts <= attempt || !isRepeatable(request);
    let response: Response | undefined;
    try {
      response = await fetch(isLast ? request : request.clone());
    } catch (error) {
      if (isLast || isFinal(request, error)) throw outcome(request, error);
    }
    if (response && mayBeDone && (await isGone(request, response))) return new Response(null, { status: 204 });
    if (response && (isLast || !LATER.includes(response.status))) return response;
    // What came too often was refused; what else got no answer of its own may have got through.
    mayBeDone ||= response?.status !== 429;
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

/**
 * Whether nothing is changed twice. A PUT or PATCH is not sent again: for the version that was read it would fail, since that is
 * gone, and for any version undo what others wrote meanwhile.
 */
function isRepeatable({ method, headers }: Request): boolean {
  return isRead(method) || method === "DELETE" || (method === "POST" && headers.has("idempotency-key"));
}

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** Whether no other attempt can mend it: the caller's own end of it, or a session that is not renewed. */
function isFinal(request: Request, error: unknown): boolean {
  return request.signal.aborted || (error instanceof Problem && !LATER.includes(error.status));
}

/** What the caller is told of a request that got no answer. */
function outcome(request: Request, error: unknown): unknown {
  const isKnown = request.signal.aborted || error instanceof Problem || error instanceof NotSent;
  return isKnown || isRead(request.method) ? error : new OutcomeUnknown(request, error);
}

async function isGone(request: Request, response: Response): Promise<boolean> {
  if (request.method !== "DELETE" || response.status !== 404) return false;
  return (await Problem.of(response.clone())).reason === "NOT_FOUND";
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
