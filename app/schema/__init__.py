"""The GraphQL schema: Strawberry types, inputs and resolvers, which plan and hand over to the use cases."""
