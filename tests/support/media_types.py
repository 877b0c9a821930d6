"""The two media types that GraphQL's answers come in."""

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
