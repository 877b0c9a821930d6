"""The text of statements: its shapes, its parameters, and that no value and no other site ever gets into it."""

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.sql
from app.plan.absences import AbsenceGroups, AbsencePosition, AbsencesPage, plan_absences
from app.plan.filter import Filter, Operator, Perspective, plan_filter
from app.plan.order import DEFAULT_ORDER, Order, OrderKey, plan_order
from app.plan.page import PageArguments, PagePlan, PageSelection
from app.plan.properties import STATUSES, Property, Value
from app.plan.summary import Aggregate, SummaryPlan
from app.sql.absences import render_absences
from app.sql.figures import render_summary
from app.sql.fragment import Statement, sql
from app.sql.pages import render_connections, render_page
from app.sql.records import render_records
from app.sql.values import SITE_VALUE
from tests.reading.golden import GOLDEN
from tests.support.plans import plan_page

SITE = UUID("b7a7bd2c-6a8e-4b3d-9d61-6f2a31a9c0de")
RECORD = UUID("5f1c3c1e-0d2b-7c55-8f7e-0b1f5a4f9a11")
ONE_COLUMN = PageSelection(rows=True, columns=frozenset({Property.STATUS}), has_next=True, has_previous=True)
PROPERTIES = tuple(Property)[:5]
BY_NUMBER = plan_order([OrderKey(Property.NUMBER_OF_ATTENDEES, descending=True)])
NO_FIGURES = SummaryPlan(None, None, frozenset())


def plan_between(
    perspective: Perspective | None = None,
    condition: Filter | None = None,
    order: Order = DEFAULT_ORDER,
    wants: PageSelection = ONE_COLUMN,
    **arguments: Any,
) -> PagePlan:
    """A page whose cursors are given as positions."""
    codec = plan_page(perspective, condition, order, PageArguments(), wants).cursors
    cursors = {name: codec.encode(arguments[name]) for name in ("after", "before") if arguments.get(name)}
    return plan_page(perspective, condition, order, PageArguments(**{**arguments, **cursors}), wants)


def filter_by(of: Property, operator: Operator, value: Any) -> Filter | None:
    return plan_filter(of, operator, value, "filter")


def plan_absences_between(by: Property, **arguments: Any) -> AbsencesPage:
    """A page of absences with a few of their figures, whose cursors are given as positions."""
    groups = AbsenceGroups(by, 3, 0.5)
    cursors = {end: groups.encode_cursor(arguments[end]) for end in ("after", "before") if arguments.get(end)}
    page = PageArguments(**{**arguments, **cursors})
    selected = ONE_COLUMN._replace(columns=frozenset({Property.BOOKING_ID}), row_figures=frozenset({Aggregate.TOTAL}))
    return plan_absences(*groups, page).select(selected)


SHAPES: dict[str, Callable[[], Statement]] = {
    "absences of bookings": lambda: render_absences(
        SITE, plan_absences_between(Property.BOOKING_ID, first=2), counts=False
    ),
    "absences of sessions in a range": lambda: render_absences(
        SITE,
        plan_absences_between(
            Property.SESSION_ID,
            last=2,
            after=AbsencePosition(1.0, 3, "yoga"),
            before=AbsencePosition(0.5, 3, "yoga"),
        ),
        counts=True,
    ),
    "a page": lambda: render_page(SITE, plan_between(first=2)),
    "a range backward": lambda: render_page(
        SITE, plan_between(order=BY_NUMBER, last=2, after=(9, RECORD), before=(1, RECORD))
    ),
    "a value": lambda: render_page(
        SITE, plan_between(condition=filter_by(Property.STATUS, Operator.EQ, "ATTENDED"), first=2)
    ),
    "several values": lambda: render_page(
        SITE, plan_between(condition=filter_by(Property.STATUS, Operator.NE, "ATTENDED"), first=2, after=(RECORD,))
    ),
    "a range of numbers": lambda: render_page(
        SITE, plan_between(condition=filter_by(Property.NUMBER_OF_ATTENDEES, Operator.GT, 3), first=2)
    ),
    "a range of its own order": lambda: render_page(
        SITE, plan_between(condition=filter_by(Property.NUMBER_OF_ATTENDEES, Operator.GT, 3), order=BY_NUMBER, first=2)
    ),
    "a filter in another order": lambda: render_page(
        SITE, plan_between(condition=filter_by(Property.STATUS, Operator.NE, "ATTENDED"), order=BY_NUMBER, first=2)
    ),
    "a perspective to be sorted": lambda: render_page(
        SITE,
        plan_between(
            Perspective(Property.SESSION_ID, "yoga"),
            filter_by(Property.STATUS, Operator.EQ, "ATTENDED"),
            BY_NUMBER,
            first=2,
        ),
    ),
    "connections": lambda: render_connections(
        SITE,
        Property.BOOKING_ID,
        [RECORD],
        plan_between(first=2),
        SummaryPlan(None, None, frozenset({Aggregate.TOTAL})),
    ),
    "records": lambda: render_records(SITE, [str(RECORD)], frozenset({Property.STATUS})),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_statement_has_its_shape(name: str) -> None:
    assert SHAPES[name]().text == GOLDEN[name]


def draw_value(of: Property) -> st.SearchStrategy[Any]:
    """A value of a property that could not stand in a statement's text by chance."""
    if of is Property.STATUS:
        return st.sampled_from(STATUSES)
    if of is Property.NUMBER_OF_ATTENDEES:
        return st.integers(1_000_000, 2_000_000)
    if of is Property.SESSION_ID:
        return st.text("$1'\"; §ß中", min_size=4, max_size=20)
    return st.uuids().map(str)


def draw_values(of: Property, operator: Operator) -> st.SearchStrategy[Any]:
    if operator is not Operator.IN:
        return draw_value(of)
    return st.lists(draw_value(of), min_size=2, max_size=2 if of is Property.STATUS else 5, unique=True)


@st.composite
def draw_shape(draw: st.DrawFn) -> Callable[[st.DataObject], tuple[list[Value], list[Statement]]]:
    """All of a query but its values: given those, what it sends."""
    parent = draw(st.none() | st.sampled_from([Property.BOOKING_ID, Property.SESSION_ID]))
    of = draw(st.none() | st.sampled_from(PROPERTIES))
    is_number = of is Property.NUMBER_OF_ATTENDEES
    operator = draw(st.sampled_from([*Operator] if is_number else [Operator.EQ, Operator.NE, Operator.IN]))
    keys = draw(st.lists(st.sampled_from(PROPERTIES), unique=True, max_size=3))
    descends = draw(st.booleans())
    order = plan_order([OrderKey(key, descends and key is Property.NUMBER_OF_ATTENDEES) for key in keys])
    arguments = {draw(st.sampled_from(["first", "last"])): draw(st.integers(1, 100))}
    ends = draw(st.sets(st.sampled_from(["after", "before"])))
    flags = PageSelection(rows=draw(st.booleans()), has_next=draw(st.booleans()), has_previous=draw(st.booleans()))

    def render(data: st.DataObject) -> tuple[list[Value], list[Statement]]:
        def position() -> tuple[Value, ...]:
            texts = [data.draw(draw_value(key.of)) for key in order]
            narrow = (Property.ID, Property.BOOKING_ID)
            return tuple(UUID(text) if key.of in narrow else text for key, text in zip(order, texts, strict=True))

        perspective = None if parent is None else Perspective(parent, str(data.draw(st.uuids())))
        value = None if of is None else data.draw(draw_values(of, operator))
        condition = None if of is None else filter_by(of, operator, value)
        bounds = {end: position() for end in sorted(ends)}
        page = plan_between(perspective, condition, order, flags, **arguments, **bounds)
        summary = SummaryPlan(perspective, condition, frozenset(Aggregate))
        values = [
            item
            for given in (*bounds.values(), value)
            for item in (given if isinstance(given, list | tuple) else [given])
        ]
        statements = [render_summary(SITE, summary)]
        if page.needs_statement:
            statements.append(render_page(SITE, page))
            statements.append(render_connections(SITE, Property.BOOKING_ID, [RECORD], page, summary))
        return [item for item in values if item is not None], statements

    return render


@given(shape=draw_shape(), data=st.data())
def test_the_same_shape_gives_the_same_text_whatever_the_values(shape: Any, data: st.DataObject) -> None:
    (_, first), (_, second) = shape(data), shape(data)
    assert [statement.text for statement in first] == [statement.text for statement in second]
    assert [len(statement.arguments) for statement in first] == [len(statement.arguments) for statement in second]


@given(shape=draw_shape(), data=st.data())
def test_no_value_stands_in_a_text_and_parameters_are_numbered_from_the_site_on(
    shape: Any, data: st.DataObject
) -> None:
    values, statements = shape(data)
    for statement in statements:
        text = re.sub(r"FILTER \(WHERE status = '\w+'( AND id IS NOT NULL)?\)", "", statement.text)
        assert [value for value in (SITE, *values) if str(value) in text] == []
        numbers = {int(number) for number in re.findall(r"\$(\d+)", text)}
        assert numbers == set(range(1, len(statement.arguments) + 1))
        assert statement.arguments[0] == SITE
        assert SITE not in statement.arguments[1:]


@given(shape=draw_shape(), data=st.data())
def test_each_mention_of_the_table_is_bound_to_the_site(shape: Any, data: st.DataObject) -> None:
    for statement in shape(data)[1]:
        mentions = re.findall(r'FROM "attendance"\s+WHERE "site_id" = \$1', statement.text)
        assert len(mentions) == statement.text.count('"attendance"') > 0


def list_renderers() -> Iterator[Callable[..., Statement]]:
    for module in pkgutil.iter_modules(app.sql.__path__, "app.sql."):
        for name, function in inspect.getmembers(import_module(module.name), inspect.isfunction):
            if name.startswith("render_") and function.__module__ == module.name:
                yield function


def test_no_statement_can_be_rendered_without_a_site() -> None:
    renderers = list(list_renderers())
    assert len(renderers) >= 4
    for renderer in renderers:
        site = next(iter(inspect.signature(renderer).parameters.values()))
        assert (site.name, site.annotation, site.default) == ("site_id", UUID, inspect.Parameter.empty), renderer
    with pytest.raises(ValueError, match="without its site"):
        sql('SELECT * FROM "attendance"').to_template(SITE_VALUE)
