// Real gateways for a supergraph, on a free port of loopback; both pass the caller's token on.
import { createServer } from 'node:http';
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

async function startHiveGateway(supergraph) {
  const gateway = createGatewayRuntime({
    supergraph,
    logging: false,
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

export const GATEWAYS = { apollo: startApolloGateway, hive: startHiveGateway };
