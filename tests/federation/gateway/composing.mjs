// Composes subgraphs, each {name, url, sdl}, into a supergraph: {supergraph} or {errors: [{code, message}]}.
import { composeServices as composeByApollo } from '@apollo/composition';
import { composeServices as composeByGuild } from '@theguild/federation-composition';
import { parse } from 'graphql';

const COMPOSERS = { apollo: composeByApollo, guild: composeByGuild };

export function compose(composer, subgraphs) {
  const services = subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) }));
  const { errors, supergraphSdl } = COMPOSERS[composer](services);
  if (errors?.length) {
    return { errors: errors.map(({ message, extensions }) => ({ code: extensions?.code, message })) };
  }
  return { supergraph: supergraphSdl };
}
