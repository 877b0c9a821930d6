"""Every statement that the service sends for an operation keeps the rules of Citus; to see that needs no cluster."""

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.sql
from app.database import batches, distributed_poll, revisions, sites, transfer, worker_probe
from app.database.distribution.functions import FUNCTIONS
from app.plan.changes import ChangesPlan, ChangesPosition
from app.plan.filter import Perspective
from app.plan.page import PageSelection
from app.plan.properties import Property
from app.plan.write import WriteColumns
from app.sql.changes import render_changes
from app.sql.fragment import Statement
from app.sql.pages import render_page
from app.sql.records import render_records
from app.sql.writes import render_delete, render_set
from tests.reading.test_sql import SHAPES, SITE, draw_shape, plan_between
from tests.support.citus_rules import find_faults_of_function, find_faults_of_read, find_faults_of_write

NOW = datetime(2026, 11, 30, tzinfo=UTC)
COLUMNS = tuple(Property)
GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
ONE = WriteColumns([GUID], ["yoga"], ["ATTENDED"], [None])
WITH_REVISION = PageSelection(rows=True, columns=frozenset(Property), revision=True)
PERSPECTIVES = (None, Perspective(Property.BOOKING_ID, GUID), Perspective(Property.SESSION_ID, "yoga"))
READS: dict[str, Callable[[], Statement]] = {
    **SHAPES,
    "all columns of records": lambda: render_records(SITE, [GUID], frozenset(Property)),
    "a page with the revision": lambda: render_page(SITE, plan_between(wants=WITH_REVISION, first=2)),
    **{
        f"changes of {of and of.of} after {after}, {rows} rows": lambda of=of, after=after, rows=rows: render_changes(
            SITE, ChangesPlan(of, after, rows), COLUMNS
        )
        for of in PERSPECTIVES
        for after in (None, ChangesPosition(7))
        for rows in (0, 100)
    },
}
WRITES: dict[str, Callable[[bool], Statement]] = {
    "a set": lambda distributed: render_set(SITE, ONE, [GUID], NOW, COLUMNS, distributed=distributed),
    "a set of few columns": lambda distributed: render_set(
        SITE, ONE, [GUID], NOW, COLUMNS[:3], distributed=distributed
    ),
    "a delete": lambda distributed: render_delete(SITE, [GUID], NOW, NOW, distributed=distributed),
}
# The renderers whose statements are looked at here; those of absences, summaries and connections are in SHAPES.
RENDERERS = {"absences", "changes", "connections", "delete", "page", "records", "set", "summary"}
OTHER_READS = (transfer.FIND_OWNERS_OF_IDS, transfer.HAS_RECORDS, transfer.EXPORT)


@pytest.mark.parametrize("name", READS)
def test_a_read_is_one_command_to_one_worker(name: str) -> None:
    assert find_faults_of_read(READS[name]().text) == []


@given(shape=draw_shape(), data=st.data())
def test_any_page_connection_and_summary_is_too(shape: Any, data: st.DataObject) -> None:
    for statement in shape(data)[1]:
        assert find_faults_of_read(statement.text) == [], statement.text


@pytest.mark.parametrize("name", WRITES)
def test_a_write_calls_a_distributed_function_and_its_statement_elsewhere_would_be_taken_apart(name: str) -> None:
    assert find_faults_of_write(WRITES[name](True).text) == []  # noqa: FBT003
    assert find_faults_of_write(WRITES[name](False).text) != []  # noqa: FBT003


@pytest.mark.parametrize("signature", FUNCTIONS, ids=lambda signature: signature.partition("(")[0])
def test_a_function_looks_no_record_up_row_by_row(signature: str) -> None:
    """Where the statistics of a shard do not know a site, each such look-up may scan the site."""
    assert not re.search(r"LATERAL|EXISTS", FUNCTIONS[signature])


@pytest.mark.parametrize("signature", FUNCTIONS, ids=lambda signature: signature.partition("(")[0])
def test_the_statements_of_a_function_stay_in_the_shards_of_its_site(signature: str) -> None:
    assert find_faults_of_function(FUNCTIONS[signature]) == []
    assert signature.partition("(")[2].startswith("uuid")


def test_imports_exports_and_erasures_keep_the_rules() -> None:
    for text in OTHER_READS:
        assert find_faults_of_read(quote(text)) == []
    for text in (batches.CALL_IMPORT, sites.CALL_ERASE):
        assert find_faults_of_write(text.replace(" FROM", "\nFROM")) == []
    assert find_faults_of_write(sites.ERASE) != []


def quote(text: str) -> str:
    """A statement that was written by hand as the catalogue would write it."""
    return text.replace("FROM attendance", 'FROM "attendance"').replace("site_id =", '"site_id" =')


def test_the_poll_reads_the_shards_of_many_sites_and_nothing_else() -> None:
    assert revisions.READ_REVISIONS.endswith("FROM site_revision WHERE site_id = ANY($1::text::uuid[])")


def test_the_poll_and_the_probe_ask_the_coordinator_where_sites_are_and_a_list_of_parameters_which_revisions() -> None:
    known = {"unnest", "shards", "pg_dist_placement", "pg_dist_node"}
    for text in (distributed_poll.GROUP_BY_WORKER, worker_probe.FIND_WORKERS):
        assert set(re.findall(r"(?:FROM|JOIN) (\w+)", text)) <= known
        assert "shards AS MATERIALIZED" in text
    assert re.findall(r"FROM|JOIN", worker_probe.ASK_WORKER) == []
    for count in (1, 3, distributed_poll.MOST_OF_FEW):
        text, arguments = distributed_poll.render_few([GUID] * count)
        start, _, rest = text.partition("IN (")
        assert start == "SELECT site_id::text, revision FROM site_revision WHERE site_id "
        assert rest == ", ".join(f"${number}" for number in range(1, len(arguments) + 1)) + ")"


def list_renderers() -> Iterator[str]:
    for module in pkgutil.iter_modules(app.sql.__path__, "app.sql."):
        for name, function in inspect.getmembers(import_module(module.name), inspect.isfunction):
            if name.startswith("render_") and function.__module__ == module.name:
                yield name.removeprefix("render_")


def test_every_renderer_is_looked_at() -> None:
    assert set(list_renderers()) == RENDERERS


READ = 'SELECT "id" FROM "attendance" WHERE "site_id" = $1'
BROKEN_READS = {
    "no site": 'SELECT "id" FROM "attendance"',
    "another parameter": READ.replace("$1", "$10"),
    "a join without a site": f'{READ} AND EXISTS (SELECT FROM "site_revision")',
    "a write": f"WITH gone AS (DELETE FROM attendance) {READ}",
    "a lock": f"{READ} FOR UPDATE",
    "a time": f'{READ} AND "updated_at" < now()',
    "a value": READ.replace("$1", f"'{UUID(int=7)}'"),
}
FUNCTION = "CREATE FUNCTION f(site uuid) RETURNS void AS $$ BEGIN {}; END $$"
BROKEN_STEPS = {
    "no site": "DELETE FROM attendance WHERE id = $2",
    "a common table expression": "WITH a AS (SELECT 1) DELETE FROM attendance WHERE site_id = site",
    "a sub-select": "INSERT INTO attendance (site_id, revision) VALUES (site, (SELECT 1))",
    "a list": "INSERT INTO attendance (site_id, id) SELECT site, id FROM unnest(ids) AS id",
    "a cast": "INSERT INTO attendance (site_id) VALUES (site) ON CONFLICT (site_id) DO UPDATE SET id = ids::uuid",
    "a time": "UPDATE attendance SET updated_at = now() WHERE site_id = site",
}


@pytest.mark.parametrize("name", BROKEN_READS)
def test_a_read_that_breaks_a_rule_is_found(name: str) -> None:
    assert find_faults_of_read(READ) == []
    assert find_faults_of_read(BROKEN_READS[name]) != []


@pytest.mark.parametrize("name", BROKEN_STEPS)
def test_a_step_of_a_function_that_breaks_a_rule_is_found(name: str) -> None:
    assert find_faults_of_function(FUNCTION.format("DELETE FROM attendance WHERE site_id = site")) == []
    assert find_faults_of_function(FUNCTION.format(BROKEN_STEPS[name])) != []
