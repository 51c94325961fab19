// A typed client of Flightline's REST surface. The types come from the OpenAPI document (`npm run generate`); here is what
// types can't do: sessions, retries, pages, event streams, errors.

export { Flightline, ok, type Options } from "./client.js";
export { type ListItem, type ListParams, type ListPath } from "./list.js";
export { Problem, type FieldError, type ProblemDocument } from "./problem.js";
export { NotSent, OutcomeUnknown } from "./retry.js";
export { type Tokens } from "./session.js";
export { type WatchEvent, type WatchOptions, type WatchParams, type WatchPath } from "./watch.js";
export type { components, operations, paths } from "./schema.js";
