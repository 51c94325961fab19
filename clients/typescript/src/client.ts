import createClient, { type Client } from "openapi-fetch";

import { address, type Answered, type ListItem, type ListParams, type ListPath, page } from "./list.js";
import { ask, checked, type Fetch, send } from "./retry.js";
import type { paths } from "./schema.js";
import { Session, type Tokens } from "./session.js";
import { watch, type WatchEvent, type WatchOptions, type WatchParams, type WatchPath } from "./watch.js";

export interface Options {
  /** Goes on with a session. */
  tokens?: Tokens;
  /** Told of every new pair of tokens, for whoever stores them: the old refresh token is spent. */
  onTokens?: (tokens: Tokens) => void;
  /** A machine's key (`fl_…`), instead of a session. */
  key?: string;
  /** Sends requests; the platform's `fetch` unless given. */
  fetch?: Fetch;
  /** How often a request that is safe to repeat is sent at most: 4 times unless given, 1 for no retries. */
  attempts?: number;
}

/** Somebody at a suite. */
export class Flightline {
  /**
   * Every operation, typed by the OpenAPI document: `api.GET("/api/tasks/{id}", { params: { path: { id } } })`. A refusal is
   * thrown as a `Problem`, so `ok()` gives the data. A POST is sent again only with an `Idempotency-Key` header.
   */
  readonly api: Client<paths>;
  readonly #url: string;
  readonly #session: Session | undefined;
  readonly #options: Options;

  constructor(url: string, options: Options = {}) {
    this.#url = url.replace(/\/$/, "");
    this.#options = { ...options, attempts: checked(options.attempts) };
    if (options.tokens) {
      this.#session = new Session(this.#url, this.#fetch, options.tokens, options.onTokens);
    }
    this.api = createClient<paths>({
      baseUrl: this.#url,
      fetch: (request) => ask(this.#authorized, request, this.#options.attempts),
    });
  }

  /** Logs in. */
  static async logIn(url: string, username: string, password: string, options: Options = {}): Promise<Flightline> {
    checked(options.attempts);
    const fetch = options.fetch ?? globalThis.fetch;
    const tokens = await Session.logIn(url.replace(/\/$/, ""), fetch, username, password);
    options.onTokens?.(tokens);
    return new Flightline(url, { ...options, tokens });
  }

  /** Ends the session: its tokens are good nowhere any more. */
  async logOut(): Promise<void> {
    await this.api.POST("/api/logout");
  }

  /** Every item of a list, page by page: `for await (const task of flightline.list("/api/tasks", { query }))`. */
  async *list<P extends ListPath>(path: P, params: ListParams<P> = {} as ListParams<P>): AsyncGenerator<ListItem<P>> {
    const at = address(this.#url, path, params as object);
    do {
      const response = await ask(this.#authorized, new Request(at), this.#options.attempts);
      const { items, next } = page<P>((await response.json()) as Answered<P, "application/json">);
      yield* items;
      at.searchParams.set("page_token", next);
    } while (at.searchParams.get("page_token"));
  }

  /** The events of a stream, taken up again wherever it breaks: `for await (const { readings } of …watch("/api/data/watch"))`. */
  watch<P extends WatchPath>(
    path: P,
    params: WatchParams<P> = {} as WatchParams<P>,
    options: WatchOptions = {},
  ): AsyncGenerator<WatchEvent<P>> {
    return watch(this.#authorized, this.#url, path, params, options);
  }

  readonly #fetch: Fetch = (request) => (this.#options.fetch ?? globalThis.fetch)(request);

  /** Sends a request in the caller's name; once more with a new token if the old one is refused. */
  readonly #authorized: Fetch = async (request) => {
    const session = this.#session;
    const token = session ? await session.access() : this.#options.key;
    const again = session ? request.clone() : undefined;
    if (token) request.headers.set("authorization", `Bearer ${token}`);
    const response = await this.#fetch(request);
    if (response.status !== 401 || !session || !again || !token) return response;
    await response.body?.cancel();
    again.headers.set("authorization", `Bearer ${await session.after(token)}`);
    return send(this.#fetch, again, 1);
  };
}

/** The data of an answer, whose refusal was thrown. */
export async function ok<Data>(answer: Promise<{ data?: Data }>): Promise<NonNullable<Data>> {
  return (await answer).data as NonNullable<Data>;
}
