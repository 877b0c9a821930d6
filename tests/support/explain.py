"""What Postgres does for a statement of the service: the plan it chooses, and what running that really reads."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.database.pool import Database
from app.sql.fragment import Statement

# Postgres plans a prepared statement for its values a few times, then for any: both must be good.
PLAN_CACHE_MODES = ("force_generic_plan", "force_custom_plan")
INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan"})
SORTS = frozenset({"Sort", "Incremental Sort"})

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explained:
    """The plan of a statement that was run: all its nodes, parents first."""

    nodes: tuple[Node, ...]

    @property
    def pages_read(self) -> int:
        """How many pages of tables and indexes were read, from memory or disk; each as often as it was."""
        return int(self.nodes[0]["Shared Hit Blocks"] + self.nodes[0]["Shared Read Blocks"])

    @property
    def scans(self) -> list[Node]:
        """The nodes that read the table or one of its indexes."""
        return [node for node in self.nodes if "Relation Name" in node or node["Node Type"] == "Bitmap Index Scan"]

    @property
    def records_read(self) -> int:
        """How many records were read, those included that a condition then dropped."""
        return sum(count_records(scan) for scan in self.scans)

    @property
    def sorts(self) -> list[int]:
        """How many records each sort was given."""
        return [count_rows(node["Plans"][0], "Actual Rows") for node in self.nodes if node["Node Type"] in SORTS]

    @property
    def is_by_index(self) -> bool:
        """Whether all that is read is found by an index, within one site."""
        return all(scan["Node Type"] in INDEX_SCANS and "site_id" in scan["Index Cond"] for scan in self.scans)

    @property
    def summary(self) -> str:
        """What a failed test shows."""
        scans = ", ".join(
            f"{scan['Node Type']} of {scan.get('Index Name')}: {count_records(scan)}" for scan in self.scans
        )
        return f"{self.records_read} records, {self.pages_read} pages, sorts {self.sorts}; {scans}"


async def explain(database: Database, site_id: UUID, statement: Statement, mode: str) -> Explained:
    """Run a statement as the service does, prepared and bound to the site by row security, and report its plan."""
    async with database.connection(site_id) as connection:
        await connection.execute(f"SET plan_cache_mode = {mode}")
        await connection.execute(f"PREPARE explained AS {statement.text}")
        try:
            values = ", ".join(map(write_literal, statement.arguments))
            options = "ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON"
            text = await connection.fetchval(f"EXPLAIN ({options}) EXECUTE explained ({values})")
        finally:
            await connection.execute("DEALLOCATE explained")
    return Explained(tuple(walk_nodes(json.loads(text)[0]["Plan"])))


def walk_nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from walk_nodes(child)


def count_records(scan: Node) -> int:
    dropped = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(count_rows(scan, name) for name in ("Actual Rows", *dropped))


def count_rows(node: Node, name: str) -> int:
    """A figure of a node over all its loops, of which Postgres reports the average."""
    return round(float(node.get(name, 0)) * int(node["Actual Loops"]))


def write_literal(value: object) -> str:
    """A value of the tests as SQL, for EXECUTE takes no parameters."""
    if isinstance(value, list):
        items = [str(item).replace("\\", r"\\").replace('"', r"\"") for item in value]
        return write_literal("{" + ",".join(f'"{item}"' for item in items) + "}")
    return "'" + str(value).replace("'", "''") + "'"
