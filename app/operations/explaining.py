"""Tells what a query costs: its plan, the statements it sends with what Postgres does for each, and its writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from app.database.pool import Database, Row
from app.operations.coercing import Unusual, Variables
from app.operations.compiling import CompiledOperation
from app.operations.operation import Operation
from app.operations.record_reads import PlannedRecords
from app.operations.sharing import SharingReader
from app.operations.variants import find_compiled
from app.plan.filter import Filter, Perspective
from app.plan.order import OrderKey
from app.plan.page import PagePlan, PageWants
from app.plan.properties import Property
from app.plan.summary import SummaryPlan
from app.schema.schema import print_schema

REFERENCE = "This operation is run by the reference path ({}): it has no plan of its own.\n"


@dataclass(frozen=True, slots=True)
class SentStatement:
    """A statement that an operation has sent, how many rows it gave, and Postgres's plan for it, line by line."""

    text: str
    arguments: Sequence[object]
    rows: int
    plan: Sequence[str]


class RecordsPlan(NamedTuple):
    """Records that are read by their ids, and the properties to read of them."""

    ids: Sequence[str]
    columns: frozenset[Property]


ShownPlan = PagePlan | SummaryPlan | RecordsPlan


class ExplainingDatabase:
    """Runs statements, and has Postgres explain each."""

    def __init__(self, database: Database, *, analyze: bool) -> None:
        self._database = database
        self._explain = "EXPLAIN (ANALYZE, BUFFERS) " if analyze else "EXPLAIN "
        self.sent: list[SentStatement] = []

    async def read_rows(
        self, text: str, arguments: Sequence[object], site_id: UUID, *, may_lag: bool = False
    ) -> list[Row]:
        explained = await self._database.read_rows(self._explain + text, arguments, site_id, may_lag=may_lag)
        rows = await self._database.read_rows(text, arguments, site_id, may_lag=may_lag)
        self.sent.append(SentStatement(text, arguments, len(rows), [line["QUERY PLAN"] for line in explained]))
        return rows


async def explain_operation(
    operation: Operation, variables: Variables, database: Database, site_id: UUID, *, analyze: bool
) -> str:
    """Run a query for a site, and describe what was planned, sent and written.

    With `analyze`, Postgres measures each statement instead of estimating it. Raises what bad input raises.
    """
    try:
        compiled, values = find_compiled(operation, variables)
    except Unusual as unusual:
        return REFERENCE.format(unusual)
    explaining = ExplainingDatabase(database, analyze=analyze)
    try:
        plans = compiled.plan(values)
        answer = await compiled.answer(plans, SharingReader(explaining, site_id), print_schema())
    except Unusual as unusual:
        return REFERENCE.format(unusual)
    return describe(compiled, plans, explaining.sent, len(answer))


def describe(
    compiled: CompiledOperation, plans: Sequence[object], sent: Sequence[SentStatement], answer_bytes: int
) -> str:
    statements = [
        f"-- Statement {number}: {each.rows} rows\n{each.text}\n\n{describe_arguments(each.arguments)}\n\n"
        + "\n".join(each.plan)
        for number, each in enumerate(sent, start=1)
    ]
    parts = ["# Plan", *map(describe_plan, find_plans(plans)), "# Statements", *statements]
    return "\n\n".join([*parts, f"# Writer ({answer_bytes:,} bytes of answer)", compiled.source])


def describe_arguments(arguments: Sequence[object]) -> str:
    return "\n".join(f"-- ${number} = {shorten(value)}" for number, value in enumerate(arguments, start=1))


def shorten(value: object) -> str:
    if isinstance(value, list) and len(value) > 3:
        return f"[{', '.join(map(str, value[:3]))}, ... {len(value)} values]"
    return str(value)


def find_plans(planned: Any) -> list[ShownPlan]:
    """The plans of pages, figures and records in what was planned, from the root down."""
    if isinstance(planned, PagePlan | SummaryPlan):
        return [planned] if planned.needs_statement else []
    if isinstance(planned, PlannedRecords):
        ids = planned.list_ids()
        records = [RecordsPlan(ids, planned.read.columns)] if ids else []
        return [*records, *find_plans(planned.fields)]
    if isinstance(planned, dict):
        return find_plans(list(planned.values()))
    if isinstance(planned, list | tuple):
        return [plan for each in planned for plan in find_plans(each)]
    return []


def describe_plan(plan: ShownPlan) -> str:
    lines = [f"  {name}: {describe_value(value)}" for name, value in plan._asdict().items()]
    return "\n".join([type(plan).__name__, *lines])


def describe_value(value: Any) -> str:
    if isinstance(value, Perspective | Filter | OrderKey | PageWants):
        return ", ".join(f"{name} {describe_value(each)}" for name, each in value._asdict().items())
    if isinstance(value, tuple):
        return "; ".join(map(describe_value, value))
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else shorten(value)
