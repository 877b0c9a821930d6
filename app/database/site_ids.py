"""The id of a site, by which a request's statements and leases are found.

It is the driver's own UUID, which C code hashes, compares and sends, where Python's takes a call for each.
"""

from asyncpg.pgproto import pgproto

SiteId = pgproto.UUID
