"""Plans of Postgres on 200,000 records: pages are found by an index, without a full sort, however deep they lie.

A sort is full when what it is given grows with the site. Two kinds are not: that of one page for each value of a
filter, and that of the records of one booking, session or list of ids, for an order in which no index holds them.
"""

from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from app.database.pool import Database
from app.plan.absences import AbsenceGroups, AbsencePosition, plan_absences
from app.plan.filter import Filter, Operator, Perspective, plan_filter
from app.plan.order import DEFAULT_ORDER, Order
from app.plan.page import PageArguments
from app.plan.properties import Property
from app.plan.summary import Aggregate, SummaryPlan
from app.sql.absences import render_absences
from app.sql.figures import render_summary
from app.sql.pages import render_connections, render_page
from app.sql.records import render_records
from tests.support.explain import PLAN_CACHE_MODES, Explained, explain
from tests.support.large_site import NUMBERS, RECORDS, SITE, LargeSite, fill_sites, find_large_site
from tests.support.plan_cases import (
    DEEP,
    DESCENDING,
    FILTERS,
    NARROW_FILTERS,
    ORDERS,
    OTHER_FILTERS,
    PARENTS,
    SIZE,
    WANTS,
    list_pages,
    pick,
    plan_case,
    plan_site_page,
)

READ = SIZE + 1
LOOKS = 2
STEPS = NUMBERS + 1
DESCENT = 6
NO_FIGURES = SummaryPlan(None, None, frozenset())
COUNTS = frozenset(Aggregate) - {Aggregate.ATTENDEES}
INDEXES = {
    "id": "attendance_pkey",
    "booking_id": "attendance_by_booking",
    "session_id": "attendance_by_session",
    "status": "attendance_by_status",
    "number_of_attendees": "attendance_by_number",
    DESCENDING: "attendance_by_number_descending",
}
pytestmark = pytest.mark.one_server
in_both_modes = pytest.mark.parametrize("mode", PLAN_CACHE_MODES)
in_each_order = pytest.mark.parametrize("order", ORDERS)
of_each_parent = pytest.mark.parametrize("of", PARENTS)


@pytest.fixture(scope="module")
async def large_url(create_database: Callable[[], str]) -> str:
    url = create_database()
    await fill_sites(url)
    return url


@pytest.fixture(scope="module")
async def large(large_url: str) -> AsyncIterator[LargeSite]:
    """The large site, as the service's own role reaches it."""
    database = Database(large_url, pool_size=1, row_security=True)
    await database.open()
    yield await find_large_site(database)
    await database.close()


async def explain_pages(
    large: LargeSite, mode: str, perspective: Perspective | None, condition: Filter | None, order: Order
) -> dict[str, Explained]:
    pages = await list_pages(large, perspective, condition, order)
    return {name: await explain(large.database, SITE, render_page(SITE, page), mode) for name, page in pages.items()}


async def count_records(large: LargeSite, perspective: Perspective | None, condition: Filter | None) -> int:
    return await large.count_records(plan_site_page(perspective, condition, DEFAULT_ORDER))


def assert_bounded(pages: dict[str, Explained], *, most_read: int, most_sorted: int) -> None:
    for name, page in pages.items():
        assert page.is_by_index, (name, page.summary)
        assert page.records_read <= most_read, (name, page.summary)
        assert page.pages_read <= DESCENT * (most_read + 1 + LOOKS), (name, page.summary)
        assert max(page.sorts, default=0) <= most_sorted, (name, page.summary)


@in_both_modes
@in_each_order
async def test_an_order_is_read_from_its_index_and_a_deep_page_costs_what_the_first_costs(
    large: LargeSite, order: str, mode: str
) -> None:
    pages = await explain_pages(large, mode, None, None, ORDERS[order])
    assert_bounded(pages, most_read=READ + LOOKS, most_sorted=0)
    assert {scan["Index Name"] for page in pages.values() for scan in page.scans} == {INDEXES[order]}
    at_the_ends = max(pages["first"].pages_read, pages["last"].pages_read)
    for name, page in pages.items():
        assert page.pages_read <= 1.5 * at_the_ends + LOOKS * DESCENT, (name, page.summary)


@in_both_modes
@pytest.mark.parametrize("name", FILTERS)
async def test_a_filter_in_the_default_order_reads_at_most_a_page_for_each_of_its_values(
    large: LargeSite, name: str, mode: str
) -> None:
    of, operator, picks = FILTERS[name]
    condition = plan_case(large, name)
    values, passed_over = 1, 0
    if condition is not None and isinstance(condition.value, tuple):
        values = len(condition.value)
    elif of is Property.NUMBER_OF_ATTENDEES and operator is not Operator.EQ:
        values, passed_over = NUMBERS, (1 + LOOKS) * STEPS
    elif operator is Operator.NE and of is not Property.STATUS:
        passed_over = await count_records(large, None, plan_filter(of, Operator.EQ, picks(large), "filter"))
    pages = await explain_pages(large, mode, None, condition, DEFAULT_ORDER)
    assert_bounded(pages, most_read=values * (READ + LOOKS) + passed_over, most_sorted=values * READ)


@in_both_modes
@in_each_order
@of_each_parent
@pytest.mark.parametrize("place", [0, 1])
async def test_a_perspective_reads_its_own_records_and_no_others(
    large: LargeSite, of: Property, place: int, order: str, mode: str
) -> None:
    perspective = Perspective(of, large.values[of][place])
    records = await count_records(large, perspective, None)
    pages = await explain_pages(large, mode, perspective, None, ORDERS[order])
    if order in ("id", of.value):
        assert_bounded(pages, most_read=READ + LOOKS, most_sorted=0)
    else:
        assert_bounded(pages, most_read=(1 + LOOKS) * records, most_sorted=records)


@in_both_modes
@pytest.mark.parametrize("name", FILTERS)
async def test_a_filter_of_a_perspective_reads_its_records_and_no_others(
    large: LargeSite, name: str, mode: str
) -> None:
    for of in PARENTS:
        perspective = Perspective(of, large.values[of][1])
        records = await count_records(large, perspective, None)
        pages = await explain_pages(large, mode, perspective, plan_case(large, name), DEFAULT_ORDER)
        assert_bounded(pages, most_read=(1 + LOOKS) * records, most_sorted=0)


@in_both_modes
@in_each_order
@pytest.mark.parametrize("name", NARROW_FILTERS)
async def test_a_filter_on_ids_bookings_or_sessions_reads_only_what_passes_in_every_order(
    large: LargeSite, name: str, order: str, mode: str
) -> None:
    condition = plan_case(large, name)
    records = await count_records(large, None, condition)
    pages = await explain_pages(large, mode, None, condition, ORDERS[order])
    assert_bounded(pages, most_read=(1 + LOOKS) * records, most_sorted=records)


@pytest.mark.parametrize("order", [order for order in ORDERS if order != "id"])
@pytest.mark.parametrize("name", OTHER_FILTERS)
async def test_of_the_other_filters_in_other_orders_only_lists_of_numbers_are_sorted(
    large: LargeSite, name: str, order: str
) -> None:
    of, operator, _ = FILTERS[name]
    may_be_sorted = of is Property.NUMBER_OF_ATTENDEES and operator in (Operator.EQ, Operator.IN)
    is_range_of_the_order = ORDERS[order][0].of is of and operator not in (Operator.NE, Operator.IN)
    pages = await explain_pages(large, "force_generic_plan", None, plan_case(large, name), ORDERS[order])
    for page_name, page in pages.items():
        assert page.is_by_index, (page_name, page.summary)
        assert may_be_sorted or page.sorts == [], (page_name, page.summary)
        assert not is_range_of_the_order or page.records_read <= READ + LOOKS, (page_name, page.summary)


@in_both_modes
@in_each_order
@of_each_parent
async def test_connections_of_a_hundred_parents_read_their_records_and_no_others(
    large: LargeSite, of: Property, order: str, mode: str
) -> None:
    parents = large.values[of]
    records = await count_records(large, None, plan_filter(of, Operator.IN, pick(of, 100)(large), "filter"))
    position = await large.find_position(plan_site_page(None, None, ORDERS[order]), DEEP)
    for name in ("", "id in 100", "session_id eq", "status eq NOT_SET", "status ne ATTENDED", "number gt 20"):
        condition = plan_case(large, name) if name else None
        first = plan_site_page(None, condition, ORDERS[order], first=2)
        last = plan_site_page(None, condition, ORDERS[order], last=2, before=first.cursors.encode(position))
        pages = {
            f"{name} {end}": await explain(
                large.database, SITE, render_connections(SITE, of, parents, page, NO_FIGURES), mode
            )
            for end, page in (("first", first), ("last", last))
        }
        is_sorted = order in ("id", of.value)
        most_read = len(parents) * (3 + LOOKS) if is_sorted and not name else 2 * records + len(parents)
        assert_bounded(pages, most_read=most_read, most_sorted=0 if is_sorted else records)


@in_both_modes
@pytest.mark.parametrize("count", [1, 3, 100])
async def test_records_are_looked_up_by_their_ids(large: LargeSite, count: int, mode: str) -> None:
    statement = render_records(SITE, large.values[Property.ID][:count], frozenset(Property))
    explained = await explain(large.database, SITE, statement, mode)
    assert_bounded({"records": explained}, most_read=count, most_sorted=0)
    assert explained.pages_read <= count * DESCENT, explained.summary


@pytest.mark.parametrize("name", FILTERS)
async def test_figures_read_what_passes_once_and_no_others(large: LargeSite, name: str) -> None:
    of, operator, _ = FILTERS[name]
    condition = plan_case(large, name)
    statement = render_summary(SITE, SummaryPlan(None, condition, frozenset(Aggregate)))
    explained = await explain(large.database, SITE, statement, "force_generic_plan")
    reads_all = operator is Operator.NE and of not in (Property.STATUS, Property.NUMBER_OF_ATTENDEES)
    matching = RECORDS if reads_all else await count_records(large, None, condition) + 2 * STEPS
    assert_bounded({name: explained}, most_read=matching, most_sorted=0)


@in_both_modes
@pytest.mark.parametrize("figures", [frozenset(Aggregate), COUNTS, frozenset({Aggregate.ATTENDEES})])
async def test_figures_of_a_whole_site_are_read_from_its_totals(
    large: LargeSite, figures: frozenset[Aggregate], mode: str
) -> None:
    statement = render_summary(SITE, SummaryPlan(None, None, figures))
    explained = await explain(large.database, SITE, statement, mode)
    assert explained.records_read <= LOOKS, explained.summary
    assert explained.pages_read <= LOOKS * DESCENT, explained.summary


@pytest.mark.usefixtures("large")
async def test_no_process_is_started_for_a_count_that_the_totals_spare(large_url: str) -> None:
    statement = render_summary(SITE, SummaryPlan(None, None, COUNTS))
    owner = await asyncpg.connect(large_url)
    for name in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_index_scan_size"):
        await owner.execute(f"SET {name} = 0")
    lines = await owner.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {statement.text}", *statement.arguments)
    await owner.close()
    plan = "\n".join(line[0] for line in lines)
    assert "Workers Planned" in plan
    assert plan.count("Workers Launched") == plan.count("Workers Launched: 0"), plan


@in_both_modes
@of_each_parent
async def test_figures_of_a_hundred_parents_read_their_records_and_no_others(
    large: LargeSite, of: Property, mode: str
) -> None:
    parents = large.values[of]
    records = await count_records(large, None, plan_filter(of, Operator.IN, pick(of, 100)(large), "filter"))
    nothing = plan_site_page(None, None, DEFAULT_ORDER, first=0)._replace(row_limit=0)
    for name in ("", "status eq NOT_SET", "number gt 20"):
        condition = plan_case(large, name) if name else None
        for figures in (frozenset(Aggregate), COUNTS, frozenset({Aggregate.ATTENDEES})):
            summary = SummaryPlan(None, condition, figures)
            statement = render_connections(SITE, of, parents, nothing, summary)
            explained = await explain(large.database, SITE, statement, mode)
            assert_bounded({f"{name} {sorted(figures)}": explained}, most_read=records, most_sorted=0)


@pytest.mark.parametrize("figures", [frozenset(Aggregate), COUNTS, frozenset({Aggregate.ATTENDEES})])
@of_each_parent
async def test_figures_of_one_perspective_read_its_records_and_no_others(
    large: LargeSite, of: Property, figures: frozenset[Aggregate]
) -> None:
    for value in large.values[of][1:3]:
        perspective = Perspective(of, value)
        statement = render_summary(SITE, SummaryPlan(perspective, None, figures))
        explained = await explain(large.database, SITE, statement, "force_generic_plan")
        records = await count_records(large, perspective, None)
        assert_bounded({str(value): explained}, most_read=records, most_sorted=0)


@pytest.mark.parametrize("figures", [frozenset(Aggregate), COUNTS])
async def test_a_site_that_is_not_counted_yet_is_counted_from_an_index_alone(
    large: LargeSite, large_url: str, figures: frozenset[Aggregate]
) -> None:
    owner = await asyncpg.connect(large_url)
    await owner.execute("UPDATE site_totals SET is_counted = false WHERE site_id = $1", SITE)
    statement = render_summary(SITE, SummaryPlan(None, None, figures))
    explained = await explain(large.database, SITE, statement, "force_generic_plan")
    await owner.execute("UPDATE site_totals SET is_counted = true WHERE site_id = $1", SITE)
    await owner.close()
    [scan] = [scan for scan in explained.scans if scan["Relation Name"] == "attendance"]
    assert scan["Node Type"] == "Index Only Scan", explained.summary
    assert explained.records_read <= RECORDS + 2 * LOOKS
    assert explained.pages_read < RECORDS / 40, explained.summary


ABSENCES = {
    "the first page": {"first": SIZE},
    "the last page": {"last": SIZE},
    "a range": {"first": SIZE, "after": (0.9, 2), "before": (0.1, 2)},
    "the end of a range": {"last": SIZE, "after": (0.9, 2), "before": (0.1, 2)},
}


@of_each_parent
@pytest.mark.parametrize("name", ABSENCES)
async def test_absences_are_counted_once_from_an_index_alone(large: LargeSite, of: Property, name: str) -> None:
    groups = AbsenceGroups(of, 3, 0.1)
    given = {
        name: groups.encode_cursor(AbsencePosition(*value, large.values[of][0])) if isinstance(value, tuple) else value
        for name, value in ABSENCES[name].items()
    }
    plan = plan_absences(*groups, PageArguments(**given))
    selected = WANTS._replace(columns=frozenset(PARENTS), row_figures=frozenset(Aggregate))
    statement = render_absences(SITE, plan.select(selected), counts=True)
    assert_counted_from_index(await explain(large.database, SITE, statement, "force_generic_plan"))


def assert_counted_from_index(explained: Explained) -> None:
    """Each record is read once, and no page of the table."""
    [scan] = explained.scans
    assert (scan["Node Type"], scan["Index Name"]) == ("Index Only Scan", "attendance_by_booking_session")
    assert scan["Heap Fetches"] == 0
    assert explained.records_read == RECORDS
    assert explained.pages_read < RECORDS / 40, explained.summary
