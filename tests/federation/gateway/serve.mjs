// Starts the tests' subgraphs and a gateway for them and the service, until standard input ends:
// node serve.mjs GATEWAY COMPOSER SERVICE_URL; prints the gateway's address once it serves.
import { compose } from './composing.mjs';
import { GATEWAYS } from './gateways.mjs';
import { startSubgraph } from './subgraphs.mjs';

const [gatewayName, composer, serviceUrl] = process.argv.slice(2);

async function introspect({ name, url }) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ _service { sdl } }' }),
  });
  const { data } = await response.json();
  return { name, url, sdl: data._service.sdl };
}

const own = await Promise.all(['bookings', 'sessions'].map(startSubgraph));
const all = [{ name: 'attendance', url: serviceUrl }, ...own];
const subgraphs = await Promise.all(all.map(introspect));
const { supergraph, errors } = compose(composer, subgraphs);
if (errors) {
  throw new Error(errors.map(({ message }) => message).join('\n'));
}
const gateway = await GATEWAYS[gatewayName](supergraph, subgraphs);
console.log(gateway.url);
process.stdin.resume();
await new Promise((resolve) => process.stdin.once('end', resolve));
await Promise.all([gateway, ...own].map(({ stop }) => stop()));
