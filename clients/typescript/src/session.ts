import type { components } from "./schema.js";
import { ask, type Fetch, NotSent } from "./retry.js";

/** What a session is kept by. Whoever stores it can go on with it (`new Flightline(url, { tokens })`). */
export interface Tokens {
  access: string;
  refresh: string;
  /** When the access token ends, in milliseconds since 1970. */
  expiresAt: number;
}

type Answer = components["schemas"]["TokenPair"];

/** Renewed so long before the access token ends that a request still arrives with it. */
const MARGIN = 10_000;

/** The tokens of one log-in, renewed one at a time. */
export class Session {
  #tokens: Tokens;
  #renewal: Promise<Tokens> | undefined;
  readonly #url: string;
  readonly #fetch: Fetch;
  readonly #changed: (tokens: Tokens) => void;

  constructor(url: string, fetch: Fetch, tokens: Tokens, changed: (tokens: Tokens) => void = () => {}) {
    this.#url = url;
    this.#fetch = fetch;
    this.#tokens = tokens;
    this.#changed = changed;
  }

  static async logIn(url: string, fetch: Fetch, username: string, password: string): Promise<Tokens> {
    return tokens(await post(url, fetch, "/api/token", { username, password }));
  }

  /** An access token that is good for a while yet. */
  async access(): Promise<string> {
    const isFresh = Date.now() + MARGIN < this.#tokens.expiresAt;
    return (isFresh ? this.#tokens : await this.#renewed()).access;
  }

  /** Another access token than `refused`. */
  async after(refused: string): Promise<string> {
    return (this.#tokens.access === refused ? await this.#renewed() : this.#tokens).access;
  }

  /** A refresh token is good once: all who need a new pair wait for the same. */
  #renewed(): Promise<Tokens> {
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #renew(): Promise<Tokens> {
    const refresh = this.#tokens.refresh;
    const renew = () => post(this.#url, this.#fetch, "/api/token/refresh", { refresh });
    const ifLost = (then: (error: unknown) => Promise<Answer>) => (error: unknown) =>
      error instanceof TypeError ? then(error) : Promise.reject(error);
    // Whose answer was lost gets the same pair again, if it comes back at once.
    const answer = renew().catch(ifLost(renew));
    this.#tokens = tokens(await answer.catch(ifLost((error) => Promise.reject(new NotSent(error)))));
    this.#changed(this.#tokens);
    return this.#tokens;
  }
}

async function post(url: string, fetch: Fetch, path: string, body: unknown): Promise<Answer> {
  const request = new Request(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await (await ask(fetch, request)).json()) as Answer;
}

function tokens({ access, refresh, expires_in }: Answer): Tokens {
  return { access, refresh, expiresAt: Date.now() + expires_in * 1000 };
}
