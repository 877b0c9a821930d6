"""Renders plans as SQL text with numbered parameters; `app.database` sends it."""
