"""The embedded Postgres, for development: the first command starts it, and the last one stops it."""

from app.database.embedded.client import run_embedded_postgres

__all__ = ["run_embedded_postgres"]
