"""GraphQL over HTTP: everything that speaks Starlette lives below this package."""
