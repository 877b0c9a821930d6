"""The command line; wiring, which nothing else imports."""

from app.cli.commands import main

__all__ = ["main"]
