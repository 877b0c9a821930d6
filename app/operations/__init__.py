"""The run of an operation, from a request to response bytes; its record, and what `attendance explain` shows."""
