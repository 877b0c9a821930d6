// Sends operations to the GraphQL endpoint: queries and mutations as JSON, subscriptions by Server-Sent Events.

const ANSWER_MILLISECONDS = 15_000;
const SILENCE_MILLISECONDS = 45_000; // Three heartbeats of the service.
const COMPLETE = "event: complete\ndata:";
const UNREACHABLE = "The service cannot be reached. Check the connection, then try again.";

// What an operation failed by: the service's code and sentence, or the connection.
export class Failure extends Error {
  constructor(message, code, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export function createClient(url, readToken, onUnauthorized) {
  async function post(query, variables, accept, signal) {
    const headers = { authorization: `Bearer ${readToken()}`, "content-type": "application/json", accept };
    try {
      return await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }), signal });
    } catch {
      throw new Failure(UNREACHABLE, "UNREACHABLE", 0);
    }
  }

  async function read(response) {
    let body;
    try {
      body = await response.json();
    } catch {
      throw new Failure(UNREACHABLE, "UNREACHABLE", 0);
    }
    return check(body, response.status);
  }

  function check(body, status) {
    const [error] = body.errors ?? [];
    if (status === 401) onUnauthorized(error?.message ?? "");
    if (error) throw new Failure(error.message, error.extensions?.code, status);
    return body.data;
  }

  async function run(query, variables, signal) {
    const limit = AbortSignal.timeout(ANSWER_MILLISECONDS);
    const stop = signal ? AbortSignal.any([signal, limit]) : limit;
    return read(await post(query, variables, "application/graphql-response+json, application/json;q=0.9", stop));
  }

  // Follows "distinct connections mode" of GraphQL over SSE. Returns when the stream is complete; raises Failure when it
  // breaks, when it is silent for too long, and when the service refuses it.
  async function subscribe(query, variables, signal, onData) {
    const dead = new AbortController();
    let timer = setTimeout(() => dead.abort(), SILENCE_MILLISECONDS);
    const hangUp = () => dead.abort();
    window.addEventListener("offline", hangUp);
    try {
      const response = await post(query, variables, "text/event-stream", AbortSignal.any([signal, dead.signal]));
      if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
        await read(response);
        throw new Failure("The service did not begin a stream.", "NO_STREAM", response.status);
      }
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ; ) {
        const { value, done } = await reader.read().catch(() => ({ done: true }));
        if (done) throw new Failure("The connection was lost.", "UNREACHABLE", 0);
        clearTimeout(timer);
        timer = setTimeout(() => dead.abort(), SILENCE_MILLISECONDS);
        const events = (text + value).split("\n\n");
        text = events.pop();
        for (const event of events) {
          if (event === COMPLETE) return;
          const data = /^data: (.*)$/m.exec(event);
          if (data !== null) onData(check(JSON.parse(data[1]), response.status));
        }
      }
    } finally {
      clearTimeout(timer);
      window.removeEventListener("offline", hangUp);
      dead.abort();
    }
  }

  return { run, subscribe };
}
