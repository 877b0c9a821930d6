"""Runs operations: compiles them once, then coerces, plans, fetches and writes for each request."""
