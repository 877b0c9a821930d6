"""The only rooms that await Postgres: connections, migrations, and the embedded server."""
