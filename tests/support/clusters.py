"""A Citus cluster that the tests are told to run on: databases on all of its nodes, which the service distributes."""

import asyncpg

from app.database.migrations import migrate

HAS_CITUS = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"
FIND_NODES = (
    "SELECT nodename AS host, nodeport AS port, groupid = 0 AS is_coordinator FROM pg_dist_node ORDER BY groupid"
)
# The databases without row security, and those among them that are distributed.
unsecured_urls: set[str] = set()
distributed_urls: set[str] = set()


async def has_citus(url: str) -> bool:
    """Whether a database is one of a Citus cluster."""
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval(HAS_CITUS))
    finally:
        await connection.close()


async def distribute_database(coordinator: str, url: str) -> None:
    """Bring an empty database of the coordinator to all nodes, and have the service distribute its tables."""
    await spread_database(coordinator, url)
    await migrate(url, row_security=False, distributed=True)
    unsecured_urls.add(url)
    distributed_urls.add(url)


async def spread_database(coordinator: str, url: str) -> None:
    """Bring an empty database of the coordinator to all nodes of the cluster whose database `coordinator` names."""
    known = await asyncpg.connect(coordinator)
    nodes = await known.fetch(FIND_NODES)
    await known.close()
    name = url.rpartition("/")[2]
    for node in nodes:
        place = {"host": node["host"], "port": node["port"]}
        if not node["is_coordinator"]:
            worker = await asyncpg.connect(coordinator, **place)
            await worker.execute(f"CREATE DATABASE {name}")
            await worker.close()
        connection = await asyncpg.connect(url, **place)
        await connection.execute("CREATE EXTENSION citus")
        await connection.close()
    connection = await asyncpg.connect(url)
    for node in nodes:
        add = "citus_set_coordinator_host" if node["is_coordinator"] else "citus_add_node"
        await connection.execute(f"SELECT {add}('{node['host']}', {node['port']})")
    await connection.close()


async def drop_on_workers(coordinator: str, name: str) -> None:
    """Drop a database that `distribute_database` has created on the workers."""
    known = await asyncpg.connect(coordinator)
    nodes = await known.fetch(FIND_NODES)
    await known.close()
    for node in nodes:
        if not node["is_coordinator"]:
            worker = await asyncpg.connect(coordinator, host=node["host"], port=node["port"])
            await worker.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await worker.close()
