// The operations of the benchmarks by Mercurius with its just-in-time compiler, on the hand-written statements.
// With BENCHMARK_DUTIES it does what the service does beside them: a token is verified (and kept), row security is set
// to its site, and each request is counted and logged.

import { createVerifier } from "fast-jwt";
import Fastify from "fastify";
import mercurius from "mercurius";
import pg from "pg";
import { Counter, Histogram } from "prom-client";

import { resolvers, schema } from "./schema.mjs";

const { BENCHMARK_POOL, BENCHMARK_SECRET, BENCHMARK_SITE, BENCHMARK_DUTIES, BENCHMARK_LOG } = process.env;
const hasDuties = Boolean(BENCHMARK_DUTIES);
const settings = ["-c jit=off", "-c plan_cache_mode=force_generic_plan", "-c enable_bitmapscan=off"];
const pool = new pg.Pool({
  max: Number(BENCHMARK_POOL),
  idleTimeoutMillis: 0,
  options: (hasDuties ? [...settings, `-c role=${BENCHMARK_DUTIES}`] : settings).join(" "),
});
const verify = hasDuties ? createVerifier({ key: BENCHMARK_SECRET, cache: 1000 }) : null;
const requests = new Counter({ name: "requests", help: "Requests by outcome.", labelNames: ["outcome"] });
const seconds = new Histogram({ name: "seconds", help: "Seconds of requests." });

async function run(site, name, text, values) {
  const statement = { name, text, values: [site, ...values], rowMode: "array" };
  if (!hasDuties) return (await pool.query(statement)).rows;
  const client = await pool.connect();
  try {
    if (client.site !== site) {
      client.site = null;
      await client.query({ name: "site", text: "SELECT set_config('attendance.site_id', $1, false)", values: [site] });
      client.site = site;
    }
    return (await client.query(statement)).rows;
  } finally {
    client.release();
  }
}

const application = Fastify({ logger: hasDuties ? { file: BENCHMARK_LOG } : false, disableRequestLogging: true });
application.register(mercurius, {
  schema,
  resolvers,
  jit: 1,
  graphiql: false,
  context: ({ headers }) => {
    const site = hasDuties ? verify(headers.authorization.slice("Bearer ".length)).site_id : BENCHMARK_SITE;
    return { site, run: (name, text, values) => run(site, name, text, values) };
  },
});
if (hasDuties) {
  application.addHook("onResponse", (request, reply, done) => {
    const taken = reply.elapsedTime / 1000;
    requests.inc({ outcome: reply.statusCode });
    seconds.observe(taken);
    request.log.info({ requestId: request.id, status: reply.statusCode, seconds: taken });
    done();
  });
}
await application.listen({ host: "127.0.0.1", port: Number(process.argv.at(-1)) });
process.on("SIGTERM", () => process.exit(0));
