import type { components } from "./schema.js";

export type ProblemDocument = components["schemas"]["Problem"];
export type FieldError = components["schemas"]["FieldError"];

/** What went wrong, as the suite says it (`application/problem+json`, RFC 9457). Programs decide by `reason`. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  readonly reason: string;
  /** What a program needs to go on: `holder_id`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What is wrong with each field. */
  readonly errors: readonly FieldError[];
  /** Finds the request in the suite's logs. */
  readonly requestId: string;

  constructor(document: ProblemDocument) {
    super(document.detail || document.title);
    this.status = document.status;
    this.reason = document.reason;
    this.metadata = document.metadata;
    this.errors = document.errors;
    this.requestId = document.request_id;
  }

  /** Reads a refusal; one that the suite did not write (a proxy did, say) has no reason. */
  static async of(response: Response): Promise<Problem> {
    const isOurs = response.headers.get("content-type")?.startsWith("application/problem+json") ?? false;
    if (isOurs) return new Problem((await response.json()) as ProblemDocument);
    return new Problem({
      type: "about:blank",
      title: response.statusText || `status ${response.status}`,
      status: response.status,
      detail: await response.text(),
      reason: "",
      metadata: {},
      request_id: response.headers.get("x-request-id") ?? "",
      errors: [],
    });
  }
}
