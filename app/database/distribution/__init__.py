"""Distributes a database by site, on the coordinator of a Citus cluster, and finds out what is wrong with that."""

from typing import Any

import asyncpg

from app.database.distribution.functions import FUNCTIONS, create_functions
from app.database.distribution.totals import explain_triggers, keep_totals
from app.database.row_security import SITE_TABLES, set_row_security
from app.database.totals import STOP_TOTALS
from app.errors import ConfigurationError

__all__ = ["DISTRIBUTING", "check_server", "create_functions", "describe_workers", "explain_distribution"]

RUN = "run `attendance migrate --distributed`"
HISTORY = "attendance_migrations"
# What connections of the service need, which send no settings of their own. Workers keep theirs: they build indexes and
# copy shards, too. Without the first one, a look-up of a type reads all relations of all shards.
SETTINGS = {
    "citus.override_table_visibility": "off",
    "statement_timeout": "5s",
    "client_connection_check_interval": "1s",
    # For a worker that takes connections but does not answer.
    "citus.node_connection_timeout": "3s",
}
# Planned once for all values, a call names no site that Citus could find a worker by, and fails.
PLANS = "plan_cache_mode"
HAS_CITUS = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"
DESCRIBE_NODE = """
SELECT (SELECT groupid FROM pg_dist_local_group) <> 0 AS is_worker,
    EXISTS (SELECT FROM pg_dist_node WHERE noderole = 'primary' AND isactive AND shouldhaveshards) AS has_workers
"""
DESCRIBE_TABLES = """
SELECT name, partition.partmethod::text AS method, partition.colocationid AS colocation,
    column_to_column_name(partition.logicalrelid, partition.partkey) AS key,
    pg_relation_size(to_regclass(name)) AS own_bytes
FROM unnest($1::text[]) AS name
LEFT JOIN pg_dist_partition AS partition ON partition.logicalrelid = to_regclass(name)
ORDER BY name
"""
FIND_FUNCTIONS = """
SELECT signature
FROM unnest($1::text[]) AS signature
JOIN pg_catalog.pg_dist_object AS known ON known.objid = to_regprocedure(signature)
WHERE known.classid = 'pg_proc'::regclass AND known.distribution_argument_index = 0
"""
FIND_POLICIES = """
SELECT format('DROP POLICY %I ON %s', polname, polrelid::regclass)
FROM pg_policy WHERE polrelid = to_regclass($1)
"""
AT_WORKER = "this is a worker of a Citus cluster: name its coordinator in the database's URL"
NO_WORKERS = "no node of the Citus cluster takes tables: add the workers on the coordinator by citus_add_node"
HASH, REFERENCE = "h", "n"
DISTRIBUTE = "SELECT create_distributed_table($1::text::regclass, 'site_id', colocate_with => $2)"
DISTRIBUTE_FUNCTION = (
    "SELECT create_distributed_function($1::text::regprocedure, 'site', colocate_with => 'attendance')"
)
REPLICATE = f"SELECT create_reference_table('{HISTORY}')"
REMOVE_OWN_ROWS = "SELECT truncate_local_data_after_distributing_table($1::text::regclass)"
QUOTE_DATABASE = "SELECT quote_ident(current_database())"
DESCRIBE_WORKERS = """
SELECT count(*) AS workers,
    (SELECT string_agg(node, ', ' ORDER BY node)
    FROM (
        SELECT to_nodename || ':' || to_nodeport AS node
        FROM citus_check_cluster_node_health()
        GROUP BY node
        HAVING NOT coalesce(bool_or(result), false)
    ) AS lost) AS unreachable
FROM pg_dist_node WHERE noderole = 'primary' AND isactive AND shouldhaveshards
"""
# Times in milliseconds. The view lacks settings that Citus hides.
READ_SETTINGS = """
SELECT name, coalesce(known.setting, current_setting(name, true)) AS value
FROM unnest($1::text[]) AS name
LEFT JOIN pg_settings AS known USING (name)
"""


async def check_server(connection: Any, *, distributed: bool) -> None:
    """Raise ConfigurationError where a migration must not run: not on a coordinator, or on what it would break.

    Without the setting, row security would hide all rows of tables that are distributed.
    """
    reason = await (explain_coordinator(connection) if distributed else explain_distribution(connection))
    if reason is not None:
        raise ConfigurationError(reason)


async def explain_coordinator(connection: Any) -> str | None:
    """Why this is not the coordinator of a Citus cluster that has workers; None when it is."""
    if not await connection.fetchval(HAS_CITUS):
        return (
            "the database has no extension citus: create it on the coordinator and on each worker, and add the workers"
        )
    return explain_node(await connection.fetchrow(DESCRIBE_NODE))


def explain_node(node: Any) -> str | None:
    """Why a node with the extension is not a coordinator that has workers; None when it is."""
    if node["is_worker"]:
        return AT_WORKER
    return None if node["has_workers"] else NO_WORKERS


async def distribute_tables(connection: Any) -> None:
    """Distribute those tables of a migrated database that are not distributed yet, inside a transaction.

    What a table holds moves to the workers, and the tables are locked meanwhile. Row security ends here and not before,
    so that a service of before goes on when this fails.
    """
    await set_row_security(connection, row_security=False)
    for name in SITE_TABLES:
        [table] = await connection.fetch(DESCRIBE_TABLES, [name])
        if table["method"] is None:
            if name == SITE_TABLES[0]:
                await connection.execute(STOP_TOTALS)
            for policy in await connection.fetch(FIND_POLICIES, name):  # Citus distributes none with a sub-select.
                await connection.execute(policy[0])
            await connection.execute(DISTRIBUTE, name, "none" if name == SITE_TABLES[0] else SITE_TABLES[0])
    [history] = await connection.fetch(DESCRIBE_TABLES, [HISTORY])
    if history["method"] is None:
        await connection.execute(REPLICATE)


async def complete_distribution(connection: Any) -> None:
    """Make what else a distributed database needs, inside a transaction after that of `distribute_tables`.

    Raises ConfigurationError when the user may not change the database.
    """
    for table in await connection.fetch(DESCRIBE_TABLES, [*SITE_TABLES, HISTORY]):
        if table["own_bytes"]:  # what it held before it was distributed, which no query sees any more
            await connection.execute(REMOVE_OWN_ROWS, table["name"])
    await create_functions(connection)
    for signature in await find_undistributed_functions(connection):
        await connection.execute(DISTRIBUTE_FUNCTION, signature)
    await change_settings(connection)


# Citus wants functions distributed in a transaction of their own.
DISTRIBUTING = (distribute_tables, complete_distribution, keep_totals)


async def change_settings(connection: Any) -> None:
    """Set what the service's connections need, for new connections to this database on the coordinator."""
    database = await connection.fetchval(QUOTE_DATABASE)
    statements = [f"ALTER DATABASE {database} SET {name} = '{value}'" for name, value in SETTINGS.items()]
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL citus.enable_ddl_propagation = off")
            for statement in statements:
                await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as failure:
        raise ConfigurationError(
            f"only the owner of the database may change its settings, who runs `{'; '.join(statements)}`"
        ) from failure


async def find_undistributed_functions(connection: Any) -> list[str]:
    found = {row[0] for row in await connection.fetch(FIND_FUNCTIONS, list(FUNCTIONS))}
    return [signature for signature in FUNCTIONS if signature not in found]


async def explain_distribution(connection: Any, *, distributed: bool = False) -> str | None:
    """Why a migrated database is not distributed as the setting says, with the cure; None when it is."""
    has_citus = await connection.fetchval(HAS_CITUS)
    if not distributed:
        if has_citus and (await connection.fetchrow(DESCRIBE_NODE))["is_worker"]:
            return AT_WORKER  # Tables of its own would keep the coordinator from making them there.
        tables = await connection.fetch(DESCRIBE_TABLES, SITE_TABLES) if has_citus else []
        is_spread = any(table["method"] is not None for table in tables)
        return "the tables are distributed by Citus: set ATTENDANCE_DISTRIBUTED=on" if is_spread else None
    return (
        await explain_coordinator(connection)
        or explain_tables(await connection.fetch(DESCRIBE_TABLES, [*SITE_TABLES, HISTORY]))
        or explain_functions(await find_undistributed_functions(connection))
        or explain_settings(await connection.fetch(READ_SETTINGS, [*SETTINGS, PLANS]))
    )


async def describe_workers(connection: Any) -> tuple[str, str | None]:
    """How many workers the tables are distributed to, and what is wrong: nodes that do not answer, or the totals."""
    found = await connection.fetchrow(DESCRIBE_WORKERS)
    is_lost = found["unreachable"] is not None
    trouble = f"no answer from {found['unreachable']}" if is_lost else await explain_triggers(connection)
    return f"{found['workers']} have the tables, by site", trouble


def explain_tables(tables: list[Any]) -> str | None:
    """Why tables are not distributed as they must be: by site, next to each other, and the history on each node."""
    colocations = set()
    for table in tables:
        if table["name"] == HISTORY:
            is_right = table["method"] == REFERENCE
        else:
            is_right = table["method"] == HASH and table["key"] == "site_id"
            colocations.add(table["colocation"])
        if not is_right:
            return f"the table {table['name']} is not distributed: {RUN}"
    if len(colocations) > 1:
        return "the tables are not colocated, so that statements do not stay on one worker: distribute them anew"
    return None


def explain_functions(missing: list[str]) -> str | None:
    return f"the function {missing[0].partition('(')[0]} is not distributed: {RUN}" if missing else None


def explain_settings(settings: list[Any]) -> str | None:
    """Why settings of a session cost time, bound none or break calls; other values than in `SETTINGS` may be meant."""
    values = {row["name"]: row["value"] for row in settings}
    if values["citus.override_table_visibility"] != "off":
        return f"citus.override_table_visibility is on, which takes each connection half a second: {RUN}"
    if values["statement_timeout"] == "0":
        return f"statement_timeout is not set, so that nothing stops a statement behind a frozen worker: {RUN}"
    if values["client_connection_check_interval"] == "0":
        return f"client_connection_check_interval is not set, so that statements outlive the service: {RUN}"
    if int(values["citus.node_connection_timeout"]) >= int(values["statement_timeout"]):
        return (
            "citus.node_connection_timeout is not less than statement_timeout, so that a frozen worker's sites wait "
            f"that long: {RUN}"
        )
    if values[PLANS] == "force_generic_plan":
        return f"{PLANS} is force_generic_plan, with which writes fail: run ALTER ROLE CURRENT_USER RESET {PLANS}"
    return None
