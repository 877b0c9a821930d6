"""What an operator does with whole sites: list them with their records counted, erase one, restart its followers."""

from typing import Any, NamedTuple
from uuid import UUID

from app.database.owner import open_owner
from app.errors import ConfigurationError

ERASED_AT_ONCE = 5000
SEE_ALL_SITES = "SELECT set_config('attendance.all_sites', 'on', false)"
# Row security binds a role that has no policy for all sites: it would see none of them.
SEES_ALL_SITES = """
SELECT NOT row_security_active('attendance') OR EXISTS (
    SELECT FROM pg_policies
    WHERE schemaname = (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'attendance'::regclass)
        AND tablename = 'attendance' AND policyname = 'attendance_all_sites' AND current_user = ANY (roles)
)
"""
FIND_SITES = "SELECT site_id FROM attendance UNION SELECT site_id FROM site_revision"
ENTER_SITE = "SELECT set_config('attendance.site_id', $1, true)"
# A copy from a backup has lower revisions than those that followers know. The jump takes its counters beyond them.
JUMP = 2**32
RESTART_FOLLOWERS = """
INSERT INTO site_revision AS counter (site_id, revision, deletions_pruned_through)
VALUES ($1, $2, $2)
ON CONFLICT (site_id) DO UPDATE
SET revision = counter.revision + $2, deletions_pruned_through = counter.revision + $2
"""
COUNT_SITES = "SELECT site_id, count(*) FROM attendance GROUP BY site_id ORDER BY site_id"
# The site's deletions are erased too, so whoever follows the changes has to begin again. In the order of the keys, in
# which every writer locks; from the last key on, so that no dead row is met again.
ERASE = """
WITH clock AS (
    INSERT INTO site_revision AS counter (site_id, revision, deletions_pruned_through)
    VALUES ($1, 1, 1)
    ON CONFLICT (site_id) DO UPDATE
    SET revision = counter.revision + 1, deletions_pruned_through = counter.revision + 1
    RETURNING revision
), batch AS (
    SELECT id, booking_id, session_id
    FROM attendance
    WHERE site_id = $1 AND (booking_id, session_id) > ($2, $3) AND (SELECT revision FROM clock) > 0
    ORDER BY booking_id, session_id
    LIMIT $4
    FOR UPDATE
), erased AS (
    DELETE FROM attendance USING batch
    WHERE attendance.site_id = $1 AND attendance.id = batch.id
    RETURNING attendance.id
), forgotten AS (
    DELETE FROM attendance_deletion
    WHERE site_id = $1 AND id IN (
        SELECT id
        FROM attendance_deletion
        WHERE site_id = $1 AND (SELECT revision FROM clock) > 0
        ORDER BY revision, id
        LIMIT $4
    )
    RETURNING id
)
SELECT (SELECT count(*) FROM erased) AS records,
    (SELECT count(*) FROM batch) + (SELECT count(*) FROM forgotten) = 0 AS is_last,
    last.booking_id, last.session_id
FROM (SELECT) AS always
LEFT JOIN (SELECT booking_id, session_id FROM batch ORDER BY booking_id DESC, session_id DESC LIMIT 1) AS last ON true
"""
# The same as a function of a database that Citus distributes: it would take the statement apart.
CALL_ERASE = "SELECT records, is_last, booking_id, session_id FROM attendance_erase_1($1, $2, $3, $4)"

Key = tuple[UUID, str]


class ErasedBatch(NamedTuple):
    """How many records were erased, and the key to go on behind; None when nothing is left."""

    records: int
    last: Key | None


FIRST_KEY: Key = (UUID(int=0), "")
BEFORE_FIRST = ErasedBatch(0, FIRST_KEY)


async def fetch_sites(url: str) -> list[tuple[UUID, int]]:
    """The sites that have records, by id, and how many each has; the URL is that of the table's owner.

    Raises ConfigurationError where the URL's user cannot see all sites.
    """
    async with open_owner(url) as connection:
        await see_all_sites(connection)
        return [(row[0], row[1]) for row in await connection.fetch(COUNT_SITES)]


async def restart_followers(url: str) -> int:
    """Let all who follow changes begin again: every cursor of changes expires. Returns how many sites there are.

    The URL is that of the table's owner. Raises ConfigurationError where the URL's user cannot see all sites.
    """
    async with open_owner(url) as connection:
        await see_all_sites(connection)
        sites = [row[0] for row in await connection.fetch(FIND_SITES)]
        for site_id in sites:
            async with connection.transaction():
                await connection.execute(ENTER_SITE, str(site_id))
                await connection.execute(RESTART_FOLLOWERS, site_id, JUMP)
        return len(sites)


async def see_all_sites(connection: Any) -> None:
    """Let the owner's session see the records of all sites. Raises ConfigurationError where it cannot."""
    if await connection.fetchval("SELECT to_regclass('attendance')") is None:
        raise ConfigurationError("the database is not migrated: run `attendance migrate`")
    await connection.fetchval(SEE_ALL_SITES)
    if not await connection.fetchval(SEES_ALL_SITES):
        raise ConfigurationError(
            "the user of ATTENDANCE_DATABASE_URL cannot see all sites: take the one that owns the table, "
            "and run `attendance migrate` with it once"
        )


async def erase_batch(connection: Any, site_id: UUID, after: Key, *, distributed: bool) -> ErasedBatch:
    """Erase the next records behind a key, and the next deletions, by one statement.

    The connection is in the service's role and has entered the site.
    """
    row = await connection.fetchrow(CALL_ERASE if distributed else ERASE, site_id, *after, ERASED_AT_ONCE)
    last = after if row["booking_id"] is None else (row["booking_id"], row["session_id"])
    return ErasedBatch(row["records"], None if row["is_last"] else last)
