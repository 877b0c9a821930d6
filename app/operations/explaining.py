"""Explains what a query costs: its plans, its statements with Postgres's plan for each, and its compiled writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from graphql import GraphQLError

from app.attendance.changes import ChangeBatch
from app.attendance.reading import AttendanceReader, Figures, Frame
from app.attendance.statistics import QueryStatistics
from app.database.pool import Database, Row
from app.documents.operation import Operation
from app.engine.coercion import InputRefused
from app.engine.compiled_operations import CompiledOperations
from app.engine.execution import run_operation
from app.engine.inputs import Variables
from app.engine.refusals import explain_variables
from app.errors import BadUserInput
from app.operations.response import format_field_failure
from app.plan.absences import AbsenceGroups, AbsencesPage
from app.plan.changes import ChangesPlan, ChangesPosition
from app.plan.filter import Filter, Perspective
from app.plan.order import OrderKey
from app.plan.page import PagePlan, PageSelection
from app.plan.properties import Property, Value
from app.plan.summary import Aggregate, SummaryPlan
from app.schema.schema import print_schema


@dataclass(frozen=True, slots=True)
class SentStatement:
    """A statement that an operation has sent, how many rows it returned, and Postgres's plan for it, line by line."""

    text: str
    arguments: Sequence[object]
    rows: int
    plan: Sequence[str]


class RecordsRead(NamedTuple):
    """Records that are read by their ids, and the properties to read of them."""

    ids: Sequence[str]
    columns: frozenset[Property]


ShownPlan = PagePlan | AbsencesPage | SummaryPlan | RecordsRead | ChangesPlan


class ExplainingDatabase:
    """Runs statements, and runs EXPLAIN for each."""

    def __init__(self, database: Database, *, analyze: bool) -> None:
        self._database = database
        self._explain = "EXPLAIN (ANALYZE, BUFFERS) " if analyze else "EXPLAIN "
        self.sent: list[SentStatement] = []

    async def read_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        explained = await self._database.read_rows(self._explain + text, arguments, site_id)
        rows = await self._database.read_rows(text, arguments, site_id)
        self.sent.append(SentStatement(text, arguments, len(rows), [line["QUERY PLAN"] for line in explained]))
        return rows


class RecordingReader(AttendanceReader):
    """A reader that records each plan."""

    def __init__(self, database: ExplainingDatabase, site_id: UUID) -> None:
        super().__init__(database, site_id, QueryStatistics())
        self.plans: list[ShownPlan] = []

    async def read_connection(self, plan: PagePlan | AbsencesPage, aggregates: frozenset[Aggregate]) -> Frame:
        if isinstance(plan, AbsencesPage):
            self.plans.append(plan)
        elif not aggregates:  # A page that has a summary beside it is read by this method once more, without.
            self._record(plan)
        return await super().read_connection(plan, aggregates)

    async def read_summary(self, plan: SummaryPlan) -> Figures:
        self._record(plan)
        return await super().read_summary(plan)

    async def read_connections(
        self, of: Property, parents: Sequence[Value], plan: PagePlan, summary: SummaryPlan
    ) -> list[Frame]:
        self._record(plan)
        self._record(summary)
        return await super().read_connections(of, parents, plan, summary)

    async def read_records(self, ids: Sequence[str], columns: frozenset[Property]) -> dict[str, Row]:
        self.plans.append(RecordsRead(ids, columns))
        return await super().read_records(ids, columns)

    async def read_changes(self, plan: ChangesPlan, columns: tuple[Property, ...]) -> ChangeBatch:
        self.plans.append(plan)
        return await super().read_changes(plan, columns)

    def _record(self, plan: PagePlan | SummaryPlan) -> None:
        if plan.needs_statement:
            self.plans.append(plan)


async def explain_operation(
    operation: Operation, variables: Variables, database: Database, site_id: UUID, *, analyze: bool
) -> str:
    """Run a query for a site, and describe its plans, statements and writer.

    With `analyze`, Postgres measures each statement instead of estimating it. Raises BadUserInput for a mutation
    and for bad input, and the error of a field that fails.
    """
    if operation.is_mutation:
        raise BadUserInput("A mutation is not run to explain it, because it would write.")
    try:
        compiled, inputs = CompiledOperations(1).prepare(operation, variables)
    except InputRefused as refused:
        raise explain_variables(operation, variables, hide_suggestions=False) from refused
    explaining = ExplainingDatabase(database, analyze=analyze)
    reader = RecordingReader(explaining, site_id)
    result = await run_operation(compiled, inputs, reader, print_schema(), variables)
    for failure in result.failures:
        if isinstance(failure.cause, GraphQLError | InputRefused):
            raise BadUserInput(format_field_failure(failure, operation, variables)["message"])
        raise failure.cause
    answer = orjson.dumps({"data": result.data})
    return describe(reader.plans, explaining.sent, compiled.source, len(answer))


def describe(plans: Sequence[ShownPlan], sent: Sequence[SentStatement], source: str, answer_bytes: int) -> str:
    statements = [
        f"-- Statement {number}: {each.rows} rows\n{each.text}\n\n{describe_arguments(each.arguments)}\n\n"
        + "\n".join(each.plan)
        for number, each in enumerate(sent, start=1)
    ]
    parts = ["# Plan", *map(describe_plan, plans), "# Statements", *statements]
    return "\n\n".join([*parts, f"# Writer ({answer_bytes:,} bytes of answer)", source])


def describe_arguments(arguments: Sequence[object]) -> str:
    return "\n".join(f"-- ${number} = {shorten(value)}" for number, value in enumerate(arguments, start=1))


def shorten(value: object) -> str:
    if isinstance(value, list) and len(value) > 3:
        return f"[{', '.join(map(str, value[:3]))}, ... {len(value)} values]"
    return str(value)


def describe_plan(plan: ShownPlan) -> str:
    lines = [f"  {name}: {describe_value(value)}" for name, value in plan._asdict().items()]
    return "\n".join([type(plan).__name__, *lines])


def describe_value(value: Any) -> str:
    if isinstance(value, AbsenceGroups | Perspective | Filter | OrderKey | PageSelection | ChangesPosition):
        return ", ".join(f"{name} {describe_value(each)}" for name, each in value._asdict().items())
    if isinstance(value, tuple):
        return "; ".join(map(describe_value, value))
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else shorten(value)
