"""A Postgres of the service's own, for development: started by the first command, stopped after the last one."""

from app.database.embedded.client import run_embedded_postgres

__all__ = ["run_embedded_postgres"]
