"""The triggers that keep the totals of sites, on the shards of a Citus cluster.

They are those of the migration, which makes none where Citus is, because it distributes no table that has some. Made
afterwards, they run on the worker that a statement writes to, in its transaction, and find the site's totals beside its
records. Citus calls triggers unsafe, because others could reach for rows of other workers.
"""

import re
from importlib import resources
from typing import Any

MIGRATION = "0007_count_site_totals.sql"
COMMAND = re.compile(r"^\$sql\$\n(.*?)^\$sql\$|^'(.*?)'(?=,?$)", re.DOTALL | re.MULTILINE)
SCHEMA = "%1$I"  # as `format` has it
TRIGGER = re.compile(r"CREATE TRIGGER (\w+) ")
FIND_TRIGGERS = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = to_regclass('attendance') AND NOT tgisinternal"
FIND_SCHEMA = """
SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = 'attendance'::regclass
"""
ALLOW_TRIGGERS = "SET LOCAL citus.enable_unsafe_triggers = on"
FORGET = "DELETE FROM site_totals"
NOTE_SITES = """
INSERT INTO site_totals (site_id, is_counted, not_set, attended, not_attended, attendees)
SELECT site_id, false, 0, 0, 0, 0 FROM attendance GROUP BY site_id
"""


def read_commands() -> list[str]:
    """The migration's commands that make the functions and their triggers, but the one for TRUNCATE.

    A shard that is emptied says nothing of the sites in others.
    """
    text = (resources.files("app.database.migrations") / MIGRATION).read_text(encoding="utf-8")
    found = [body or quoted for body, quoted in COMMAND.findall(text.partition("ARRAY[\n")[2])]
    kept = [command for command in found if "AFTER TRUNCATE" not in command]
    return [command.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION") for command in kept]


async def keep_totals(connection: Any) -> None:
    """Make the triggers unless they are there, inside a transaction, and note all sites as not counted yet.

    The triggers lock the table until the transaction ends, so nobody writes meanwhile.
    """
    if await explain_triggers(connection) is None:
        return
    schema = await connection.fetchval(FIND_SCHEMA)
    existing = {row[0] for row in await connection.fetch(FIND_TRIGGERS)}
    await connection.execute(ALLOW_TRIGGERS)
    for command in read_commands():
        trigger = TRIGGER.match(command)
        if trigger is None or trigger[1] not in existing:
            await connection.execute(command.replace(SCHEMA, schema))
    await connection.execute(FORGET)
    await connection.execute(NOTE_SITES)


async def explain_triggers(connection: Any) -> str | None:
    """Why the totals of sites are not kept; None when they are."""
    existing = {row[0] for row in await connection.fetch(FIND_TRIGGERS)}
    wanted = [trigger[1] for trigger in map(TRIGGER.match, read_commands()) if trigger is not None]
    missing = [name for name in wanted if name not in existing]
    if not missing:
        return None
    return f"the trigger {missing[0]} is missing, so that totals are not kept: run `attendance migrate --distributed`"
