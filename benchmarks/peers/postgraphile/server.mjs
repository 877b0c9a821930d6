// The table of the service by PostGraphile, as it comes: its own schema, and none of the service's duties.

import { createServer } from "node:http";

import pg from "pg";
import { postgraphile } from "postgraphile";

const { BENCHMARK_POOL, BENCHMARK_URL } = process.env;
const pool = new pg.Pool({
  connectionString: BENCHMARK_URL,
  max: Number(BENCHMARK_POOL),
  idleTimeoutMillis: 0,
  options: "-c jit=off",
});
const handle = postgraphile(pool, "public", {
  graphqlRoute: "/graphql",
  graphiql: false,
  disableQueryLog: true,
  ignoreRBAC: true,
  bodySizeLimit: "1MB",
});
const server = createServer(handle);
server.keepAliveTimeout = 75_000;
server.listen(Number(process.argv.at(-1)), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
