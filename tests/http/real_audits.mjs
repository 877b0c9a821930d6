// Runs the published audits of GraphQL over HTTP against a running service: node real_audits.mjs URL
import { serverAudits } from 'graphql-http';

const url = process.argv[2];
if (!url) {
  console.error('usage: node real_audits.mjs URL');
  process.exit(2);
}
const results = [];
for (const audit of serverAudits({ url })) {
  results.push(await audit.fn());
}
const failed = results.filter((result) => result.status !== 'ok');
for (const { id, name, reason } of failed) {
  console.log(`${id} ${name}: ${reason}`);
}
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 || results.length === 0 ? 1 : 0;
