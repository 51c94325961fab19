import type { paths, Readable } from "./schema.js";

/** What `GET path` answers in a media type. */
export type Answered<P extends keyof paths, Media extends string> = paths[P] extends {
  get: { responses: { 200: { content: { [media in Media]: infer Body } } } };
}
  ? Readable<Body>
  : never;

/** What `GET path` asks for in path and query. */
export type Asked<P extends keyof paths> = paths[P] extends { get: { parameters: infer Parameters } }
  ? Omit<Parameters, "header" | "cookie">
  : never;

/** The paths of lists that come in pages. */
export type ListPath = {
  [P in keyof paths]: Answered<P, "application/json"> extends { next_page_token: string } ? P : never;
}[keyof paths];

export type ListParams<P extends ListPath> = Asked<P>;

/** What a list is of: `Task` for `/api/tasks`. */
export type ListItem<P extends ListPath> = Extract<
  Answered<P, "application/json">[keyof Answered<P, "application/json">],
  readonly unknown[]
>[number];

interface Page<T> {
  items: T[];
  next: string;
}

/** The one list in a page, whatever its name. */
export function page<P extends ListPath>(body: Answered<P, "application/json">): Page<ListItem<P>> {
  const fields = Object.values(body as Record<string, unknown>);
  const items = fields.find((field) => Array.isArray(field)) as ListItem<P>[];
  return { items, next: (body as { next_page_token: string }).next_page_token };
}

interface Params {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
}

/** The address of `path`, whose variables and query `params` give. */
export function address(url: string, path: string, { path: variables = {}, query = {} }: Params): URL {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(variables[name])));
  const address = new URL(url + filled);
  for (const [name, value] of Object.entries(query)) {
    const values: unknown[] = Array.isArray(value) ? value : [value];
    for (const item of values) {
      if (item !== undefined && item !== null) address.searchParams.append(name, String(item));
    }
  }
  return address;
}
