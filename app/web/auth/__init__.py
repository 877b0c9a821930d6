"""Authentication: bearer tokens, the keys that verify them, and tokens that the service issues."""
