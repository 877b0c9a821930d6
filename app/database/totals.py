"""The totals of sites, which triggers keep: counts the sites that are older than the triggers, and compares all."""

from typing import Any
from uuid import UUID

from app.database.owner import open_owner
from app.database.sites import ENTER_SITE, see_all_sites

HAS_TOTALS = "SELECT to_regclass('site_totals') IS NOT NULL"
FIND_UNCOUNTED = "SELECT site_id FROM site_totals WHERE NOT is_counted ORDER BY site_id"
LIFT_TIMEOUT = "SELECT set_config('statement_timeout', '0', true)"
# A transaction that does not end holds the row of its site. As long as migrations wait for the table.
LIMIT_WAIT = "SELECT set_config('lock_timeout', '300s', true)"
LOCK_UNCOUNTED = "SELECT true FROM site_totals WHERE site_id = $1 AND NOT is_counted FOR UPDATE"
CLAIM_SITE = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"
BEGIN_AT_NOTHING = """
UPDATE site_totals SET not_set = 0, attended = 0, not_attended = 0, attendees = 0 WHERE site_id = $1
"""
FIGURES = """count(*) FILTER (WHERE status = 'NOT_SET') AS not_set,
    count(*) FILTER (WHERE status = 'ATTENDED') AS attended,
    count(*) FILTER (WHERE status = 'NOT_ATTENDED') AS not_attended,
    coalesce(sum(number_of_attendees) FILTER (WHERE status = 'ATTENDED'), 0)::bigint AS attendees"""
COUNT = f"SELECT {FIGURES} FROM attendance WHERE site_id = $1"  # noqa: S608 - put together from constants
ADD_COUNTED = """
UPDATE site_totals
SET is_counted = true, not_set = not_set + $2, attended = attended + $3, not_attended = not_attended + $4,
    attendees = attendees + $5
WHERE site_id = $1 AND NOT is_counted
"""
SET_COUNTED = """
UPDATE site_totals
SET is_counted = true, not_set = $2, attended = $3, not_attended = $4, attendees = $5
WHERE site_id = $1
"""
# Citus distributes no table that has triggers; they are made anew afterwards. Without a row, queries count.
STOP_TOTALS = """
DROP FUNCTION IF EXISTS count_new_or_deleted, count_changed, forget_site_totals CASCADE;
DROP FUNCTION IF EXISTS add_to_site_totals;
DELETE FROM site_totals
"""
COMPARE = f"""
SELECT site_id, stored.is_counted,
    (stored.not_set, stored.attended, stored.not_attended, stored.attendees) = (
        coalesce(counted.not_set, 0), coalesce(counted.attended, 0), coalesce(counted.not_attended, 0),
        coalesce(counted.attendees, 0)
    ) AS is_right
FROM site_totals AS stored
LEFT JOIN (SELECT site_id, {FIGURES} FROM attendance GROUP BY site_id) AS counted USING (site_id)
ORDER BY site_id
"""  # noqa: S608 - put together from constants


async def count_sites(url: str, writing: Any, *, distributed: bool = False) -> None:
    """Count the records of each site that is not counted yet; `writing` is the session of the tables' owner.

    The writers of a site go on meanwhile; on a cluster, where no snapshot is shared by two sessions, they wait.
    An interrupted count begins again. Any number of processes may call this at once. Raises the driver's
    LockNotAvailableError when a transaction that does not end has written to a site.
    """
    has_totals = await writing.fetchval(HAS_TOTALS)
    sites = [row[0] for row in await writing.fetch(FIND_UNCOUNTED)] if has_totals else []
    if distributed:
        for site_id in sites:
            await count_waiting_site(writing, site_id)
    elif sites:
        async with open_owner(url) as counting:
            for site_id in sites:
                await count_site(writing, counting, site_id)


async def count_site(writing: Any, counting: Any, site_id: UUID) -> None:
    """Count a site by one session, while the triggers of its writers add up what has changed since.

    A writer holds the row of its site's totals until it commits. While the other session holds it for a moment, the
    count takes its snapshot, which so has all writes that the row has, and none of those to come.
    """
    async with counting.transaction(isolation="repeatable_read"):
        async with writing.transaction():
            await writing.fetchval(LIMIT_WAIT)
            is_uncounted = await writing.fetchval(LOCK_UNCOUNTED, site_id)
            # The first statement takes the snapshot, and ends the race with another process for this site.
            if not is_uncounted or not await counting.fetchval(CLAIM_SITE, str(site_id)):
                return
            await writing.execute(BEGIN_AT_NOTHING, site_id)
        await counting.fetchval(LIFT_TIMEOUT)
        await counting.fetchval(ENTER_SITE, str(site_id))
        await writing.execute(ADD_COUNTED, site_id, *await counting.fetchrow(COUNT, site_id))


async def count_waiting_site(writing: Any, site_id: UUID) -> None:
    """Count a site by one session, while its writers wait for the row of its totals, to which they then add."""
    async with writing.transaction():
        await writing.fetchval(LIMIT_WAIT)
        if await writing.fetchval(LOCK_UNCOUNTED, site_id):
            await writing.execute(SET_COUNTED, site_id, *await writing.fetchrow(COUNT, site_id))


async def compare_totals(url: str) -> tuple[int, int, list[UUID]]:
    """Compare the totals of all sites with their records, in one snapshot; the URL is that of the tables' owner.

    Returns how many sites have their totals counted, how many not yet, and which of the counted ones differ. Raises
    ConfigurationError where the URL's user cannot see all sites.
    """
    async with open_owner(url) as connection, connection.transaction(readonly=True):
        await connection.fetchval(LIFT_TIMEOUT)
        await see_all_sites(connection)
        rows = await connection.fetch(COMPARE)
    counted = [row for row in rows if row["is_counted"]]
    wrong = [row["site_id"] for row in counted if not row["is_right"]]
    return len(counted), len(rows) - len(counted), wrong
