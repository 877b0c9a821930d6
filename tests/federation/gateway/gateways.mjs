// Real gateways for a supergraph, on a free port of loopback; all pass the caller's token on.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApolloGateway, RemoteGraphQLDataSource } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';

const LOOPBACK = { host: '127.0.0.1', port: 0 };

class TokenPassingSource extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    if (context.authorization) {
      request.http.headers.set('authorization', context.authorization);
    }
  }
}

async function startApolloGateway(supergraphSdl) {
  const gateway = new ApolloGateway({ supergraphSdl, buildService: ({ url }) => new TokenPassingSource({ url }) });
  const server = new ApolloServer({ gateway, includeStacktraceInErrorResponses: false });
  const context = async ({ req }) => ({ authorization: req.headers.authorization });
  const { url } = await startStandaloneServer(server, { context, listen: LOOPBACK });
  return { url, stop: () => server.stop() };
}

async function startHiveGateway(supergraph, _subgraphs, transportEntries = {}) {
  const gateway = createGatewayRuntime({
    supergraph,
    logging: false,
    transportEntries,
    propagateHeaders: {
      fromClientToSubgraphs: ({ request }) => ({ authorization: request.headers.get('authorization') }),
    },
  });
  const server = createServer(gateway);
  await new Promise((resolve) => server.listen(LOOPBACK, resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/graphql`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await gateway.dispose();
    },
  };
}

function startHiveGatewayWithWebSockets(supergraph, subgraphs) {
  const options = {
    subscriptions: {
      kind: 'ws',
      location: '/graphql',
      options: { connectionParams: { Authorization: '{context.headers.authorization}' } },
    },
  };
  return startHiveGateway(supergraph, subgraphs, { attendance: { options } });
}

const GRAFBASE = fileURLToPath(new URL('node_modules/@grafbase/cli-x86_64-unknown-linux-musl/grafbase', import.meta.url));

async function findFreePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(LOOPBACK, resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function waitUntilAnswered(url, process) {
  for (;;) {
    if (process.exitCode !== null) throw new Error('the gateway has ended');
    try {
      if ((await fetch(url, { method: 'POST' })).status < 500) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

// It composes the subgraphs itself.
async function startGrafbaseGateway(_supergraph, subgraphs, own = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-'));
  const sections = await Promise.all(
    subgraphs.map(async ({ name, url, sdl }) => {
      await writeFile(join(folder, `${name}.graphql`), sdl);
      return `[subgraphs.${name}]\nurl = "${url}"\nschema_path = "${join(folder, name)}.graphql"\n${own[name] ?? ''}`;
    }),
  );
  const config = join(folder, 'grafbase.toml');
  await writeFile(config, `[[headers]]\nrule = "forward"\nname = "authorization"\n\n${sections.join('\n')}`);
  const port = await findFreePort();
  const process = spawn(GRAFBASE, ['dev', '--config', config, '--listen-address', `127.0.0.1:${port}`], {
    cwd: folder,
    env: { HOME: folder, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = new Promise((resolve) => process.once('exit', resolve));
  const url = `http://127.0.0.1:${port}/graphql`;
  await waitUntilAnswered(url, process);
  return {
    url,
    async stop() {
      process.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function startGrafbaseGatewayWithWebSockets(supergraph, subgraphs) {
  const { url } = subgraphs.find(({ name }) => name === 'attendance');
  return startGrafbaseGateway(supergraph, subgraphs, { attendance: `websocket_url = "${url.replace('http', 'ws')}"\n` });
}

export const GATEWAYS = {
  apollo: startApolloGateway,
  hive: startHiveGateway,
  'hive-websocket': startHiveGatewayWithWebSockets,
  grafbase: startGrafbaseGateway,
  'grafbase-websocket': startGrafbaseGatewayWithWebSockets,
};
