"""Row security of the tables that hold records of sites: whether it is on, the switch, and the owner's own policy."""

from typing import Any

# Each of them has the column site_id, and a policy that compares it with the site of the session.
SITE_TABLES = ("attendance", "attendance_deletion", "site_revision", "site_totals")
# The policies of the migrations, which compare it with a setting. Any other one adds rows to what the role sees.
POLICIES = ("attendance_site", "attendance_listed_sites")
# Triggers write the totals as the owner, whom row security does not bind there.
FIND_TABLES = """
SELECT c.oid::regclass::text AS name, forced.clause AS force,
    CASE WHEN $2 THEN NOT (c.relrowsecurity AND (c.relforcerowsecurity OR forced.clause = 'NO FORCE'))
        ELSE c.relrowsecurity END AS is_wrong
FROM unnest($1::text[]) AS names (name)
CROSS JOIN LATERAL (SELECT CASE name WHEN 'site_totals' THEN 'NO FORCE' ELSE 'FORCE' END AS clause) AS forced
JOIN pg_class AS c ON c.oid = to_regclass(names.name)
"""
SWITCH = {
    True: "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY",
    False: "ALTER TABLE {name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
}
# The owner is bound by row security too, and may read all sites when it says so: for lists of sites, and for a backup
# where nobody may bypass row security. Whoever bypasses it anyway needs no policy.
LET_OWNER_SEE_ALL_SITES = """
DO $$
DECLARE
    secured regclass;
BEGIN
    IF (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    FOR secured IN
        SELECT c.oid
        FROM pg_class AS c
        WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('attendance'))
            AND c.relrowsecurity AND c.relowner = current_user::regrole
            AND NOT EXISTS (
                SELECT FROM pg_policy
                WHERE polrelid = c.oid AND polname = 'attendance_all_sites'
                    AND polroles = ARRAY[current_user::regrole::oid]
            )
    LOOP
        EXECUTE format('DROP POLICY IF EXISTS attendance_all_sites ON %s', secured);
        EXECUTE format(
            'CREATE POLICY attendance_all_sites ON %s FOR SELECT TO CURRENT_USER '
            'USING (current_setting(''attendance.all_sites'', true) = ''on'')', secured
        );
    END LOOP;
END
$$
"""


async def differs_from_setting(connection: Any, *, row_security: bool) -> bool:
    """Whether row security of any of the tables is other than the setting says."""
    return any(table["is_wrong"] for table in await find_tables(connection, row_security=row_security))


async def set_row_security(connection: Any, *, row_security: bool) -> None:
    """Switch row security of all tables as the setting says, and let their owner see all sites when it asks."""
    for table in await find_tables(connection, row_security=row_security):
        if table["is_wrong"]:
            await connection.execute(SWITCH[row_security].format(**table))
    await connection.execute(LET_OWNER_SEE_ALL_SITES)


async def find_tables(connection: Any, *, row_security: bool) -> list[Any]:
    """Those of the tables that exist, with their quoted names, and whether their row security is not as set.

    Where it must be off, one that does not bind the owner is wrong, too: it hides all rows from other roles.
    """
    tables: list[Any] = await connection.fetch(FIND_TABLES, SITE_TABLES, row_security)
    return tables
