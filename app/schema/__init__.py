"""The GraphQL schema: Strawberry types, inputs and resolvers. Resolvers return plans."""
