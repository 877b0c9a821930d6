// Follows a list with a program of docs/live.md, and prints the list each time it changes, until standard input ends:
// node follow.mjs CLIENT FILE URL TOKEN PERSPECTIVE
import { pathToFileURL } from 'node:url';

const [name, file, url, token, perspectiveText] = process.argv.slice(2);
const perspective = JSON.parse(perspectiveText);
const { PAGE, createClient, follow } = await import(pathToFileURL(file));
const client = createClient(url, token);

function print(nodes) {
  const sorted = nodes.map(({ id, status, numberOfAttendees }) => ({ id, status, numberOfAttendees }));
  console.log(JSON.stringify(sorted.sort((one, two) => (one.id < two.id ? -1 : 1))));
}

const WATCHERS = {
  apollo() {
    const watched = client.watchQuery({ query: PAGE, variables: { perspective }, fetchPolicy: 'cache-only' });
    watched.subscribe(({ data }) => data?.attendances && print(data.attendances.nodes));
  },
  urql() {
    const watched = client.query(PAGE, { perspective }, { requestPolicy: 'cache-only' });
    watched.subscribe(({ data }) => data?.attendances && print(data.attendances.nodes));
  },
  async relay() {
    const { createOperationDescriptor } = await import('relay-runtime');
    const operation = createOperationDescriptor(PAGE, { perspective });
    client.retain(operation);
    client.subscribe(client.lookup(operation.fragment), ({ data }) => data.attendances && print(data.attendances.nodes));
  },
};

await WATCHERS[name]();
const controller = new AbortController();
process.stdin.resume();
process.stdin.once('end', () => controller.abort());
await follow(client, perspective, controller.signal);
process.exit(0);
