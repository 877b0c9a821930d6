"""The command line. It connects all other packages, and none of them imports it."""

from app.cli.commands import main

__all__ = ["main"]
