"""GraphQL over HTTP. Only this package uses Starlette and uvicorn."""
