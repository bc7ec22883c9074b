// A tidal server from TypeScript, without dependencies: Node 20 and later have fetch, and so have browsers, Deno and Bun.
//
//     tidal serve --data-dir /tmp/quickstart --schema events &
//     npm ci && npx tsc && node out/quickstart.js http://127.0.0.1:7878
//
// TIDAL_KEY is the API key, if the server asks for one.

declare const process: { argv: string[]; env: Record<string, string | undefined> };

/** What the server says is wrong. Decide by code, which is stable; the message is for people. */
class Problem extends Error {
  readonly code: string;
  readonly field: string | undefined;
  readonly record: number | undefined;
  readonly retryAfter: number; // milliseconds, 0 if trying again won't help

  constructor(readonly status: number, document: Record<string, unknown>) {
    super(`${status} ${document.code}: ${document.detail}`);
    this.code = typeof document.code === "string" ? document.code : "unreadable";
    this.field = document.field as string | undefined;
    this.record = document.record as number | undefined;
    this.retryAfter = Number(document.retry_after_ms ?? 0);
  }
}

interface Signal {
  type: string;
  item: string;
  user?: string;
  weight?: number;
  time?: string;
  ref?: string;
}

interface Receipt {
  position: string;
  count: number;
  duplicate: boolean;
}

interface Query {
  user?: string;
  profile?: string;
  limit?: number;
  cursor?: string;
}

interface Page {
  items: { item: string; score: number; ref: string }[];
  cursor?: string;
}

/** A connection to a server. It is made once; calls throw Problem. */
class Tidal {
  constructor(
    private readonly url: string,
    private readonly key?: string,
    private readonly patience = 10_000, // milliseconds that one call may take, with all its tries
  ) {}

  put(item: string, fields: Record<string, unknown>): Promise<Receipt> {
    return this.call("PUT", `/v1/items/${encodeURIComponent(item)}`, fields);
  }

  /**
   * Writes one signal: durable, and in the next list, when it resolves. The key makes it count once, however often it is
   * sent: within these tries, and by whoever repeats it.
   */
  signal(event: Signal, key: string = crypto.randomUUID()): Promise<Receipt> {
    return this.call("POST", "/v1/signals", event, { key });
  }

  rank(query: Query): Promise<Page> {
    return this.call("POST", "/v1/rank?with_cursor=true", { rank: "items", ...query }, { read: true });
  }

  /**
   * Sends a request until it's answered. A write is sent again only if the server can tell that it's the same one: by its
   * key, or because it sets something, which can be set twice.
   */
  async call<T>(method: string, path: string, body?: unknown, how: { key?: string; read?: boolean } = {}): Promise<T> {
    const again = how.read === true || how.key !== undefined || method === "GET" || method === "PUT";
    const end = Date.now() + this.patience;
    for (let pause = 20; ; pause = Math.min(2 * pause, 2000)) {
      let wait = pause * (0.5 + Math.random() / 2);
      try {
        return await this.once<T>(method, path, body, how.key);
      } catch (error) {
        if (error instanceof Problem) {
          if (error.retryAfter === 0) throw error;
          wait = Math.max(wait, error.retryAfter);
        } // else nobody answers, or the connection broke: the request may have arrived
        if (!again || Date.now() + wait > end) throw error;
      }
      await new Promise((done) => setTimeout(done, wait));
    }
  }

  private async once<T>(method: string, path: string, body: unknown, key: string | undefined): Promise<T> {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (this.key !== undefined) headers["Authorization"] = `Bearer ${this.key}`;
    if (key !== undefined) headers["Idempotency-Key"] = key;
    const answer = await fetch(this.url + path, {
      method,
      headers,
      signal: AbortSignal.timeout(this.patience),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text) as T;
    let document: Record<string, unknown> = { detail: answer.statusText }; // a proxy's page
    try {
      document = JSON.parse(text);
    } catch {}
    throw new Problem(answer.status, document);
  }
}

const ids = (page: Page): string[] => page.items.map((it) => it.item);

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

const tidal = new Tidal(process.argv[2] ?? "http://127.0.0.1:7878", process.env.TIDAL_KEY);

for (const [n, category] of ["jazz", "jazz", "jazz", "blues", "blues", "polka", "polka"].entries()) {
  await tidal.put(`${category}-${n + 1}`, { category, tags: ["live"], creator: `band-${(n + 1) % 3}` });
}

// What a user does is in their next list.
await tidal.signal({ type: "like", user: "grace", item: "jazz-1" });
for (let n = 0; n < 3; n++) await tidal.signal({ type: "view", user: "bo", item: "blues-4" });
let page = await tidal.rank({ user: "grace", profile: "for_you", limit: 3 });
console.log("for grace:", ids(page).join(" "));

// What they hide is in none of them any more. The ref says in the log which list had shown it, and where.
const shown = page.items[0]!;
await tidal.signal({ type: "hide", user: "grace", item: shown.item, ref: shown.ref });
page = await tidal.rank({ user: "grace", profile: "for_you", limit: 3 });
check(!ids(page).includes(shown.item), "a hidden item was shown");
console.log(`without ${shown.item}:`, ids(page).join(" "));

// The cursor continues the list: the next pages repeat nothing.
const seen = new Set(ids(page));
while (page.cursor) {
  page = await tidal.rank({ user: "grace", profile: "for_you", limit: 3, cursor: page.cursor });
  for (const item of ids(page)) {
    check(!seen.has(item), "a page repeats an item");
    seen.add(item);
  }
}
console.log("all pages:", seen.size, "items");

// A retry under the same key counts once, and says so.
const order: Signal = { type: "purchase", user: "grace", item: "jazz-2" };
const first = await tidal.signal(order, "order-18");
const again = await tidal.signal(order, "order-18");
check(first.position === again.position && again.duplicate, "a retry was counted twice");
console.log("sent twice, counted once:", again.duplicate);

// Errors have a code to decide by.
const attempts: Record<string, () => Promise<unknown>> = {
  "the same key for something else": () => tidal.signal({ ...order, item: "jazz-3" }, "order-18"),
  "a type that the schema hasn't": () => tidal.signal({ type: "lick", user: "grace", item: "jazz-1" }),
  "an item that isn't there": () => tidal.call("GET", "/v1/items/nothing"),
};
for (const [why, attempt] of Object.entries(attempts)) {
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    console.log(`${why}: ${error.code}` + (error.field ? `, field ${error.field}` : ""));
  }
}
