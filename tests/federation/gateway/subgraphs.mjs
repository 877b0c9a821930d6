// The subgraphs that own bookings and sessions; both know of every id, so that tests choose them.
import { readFile } from 'node:fs/promises';
import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginInlineTraceDisabled } from '@apollo/server/plugin/disabled';
import { startStandaloneServer } from '@apollo/server/standalone';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';

const resolvers = {
  bookings: {
    Query: {
      bookings: (_, { ids }) => ids.map((id) => ({ id })),
      attendancesSeen: (_, { ids }) => ids.map((id) => ({ id })),
    },
    Booking: { customer: ({ id }) => `customer of ${id}` },
  },
  sessions: {
    Query: { sessions: (_, { ids }) => ids.map((id) => ({ id })) },
    Session: { title: ({ id }) => `title of ${id}` },
  },
};

export async function startSubgraph(name) {
  const typeDefs = parse(await readFile(new URL(`${name}.graphql`, import.meta.url), 'utf8'));
  const schema = buildSubgraphSchema({ typeDefs, resolvers: resolvers[name] });
  const server = new ApolloServer({ schema, plugins: [ApolloServerPluginInlineTraceDisabled()] });
  const { url } = await startStandaloneServer(server, { listen: { host: '127.0.0.1', port: 0 } });
  return { name, url, stop: () => server.stop() };
}
