/** One server-sent event. */
export interface ServerEvent {
  /** Where the stream can be taken up after it; empty if it does not say. */
  id: string;
  /** `message` unless it has another name. */
  type: string;
  data: string;
}

/**
 * Reads server-sent events (the `text/event-stream` of the HTML standard) until the stream ends. One that is silent for `idle`
 * milliseconds, keep-alives included, is given up.
 */
export async function* events(body: ReadableStream<Uint8Array>, idle: number): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  try {
    const decoder = new TextDecoder();
    let rest = "";
    let event = { id: "", type: "", data: [] as string[] };
    for (;;) {
      const { done, value } = await within(idle, reader.read());
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line !== "") {
          take(event, line);
        } else if (event.data.length > 0) {
          yield { id: event.id, type: event.type || "message", data: event.data.join("\n") };
          event = { id: "", type: "", data: [] };
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function take(event: { id: string; type: string; data: string[] }, line: string): void {
  const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
  if (name === "id") event.id = value ?? "";
  if (name === "event") event.type = value ?? "";
  if (name === "data") event.data.push(value ?? "");
}

function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TypeError("the stream is silent")), milliseconds);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
