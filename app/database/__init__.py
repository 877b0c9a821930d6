"""The only modules that await Postgres: connections, migrations, and the embedded server."""
