"""Random calls of two sites, one after another: the service and a model in memory never differ."""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.support.model_site import ModelSite
from tests.support.mutations import BULK_DELETE, BULK_SET, DELETE, READ, RECORD, SET, Item
from tests.support.oracle import Query, Window, add_up, cut_page, find_matching
from tests.support.private_service import ClientOf, open_service
from tests.support.service import RecordingDatabase

EXAMPLES = int(os.environ.get("ATTENDANCE_TEST_EXAMPLES", "25"))
STEPS = 40
BOOKINGS = [str(UUID(int=n << 124 | 0xABCDEF)) for n in (1, 9, 10)]
SESSIONS = ["a", "B", "é", "\u2028", 'quote"\\']
STATUSES = ["ATTENDED", "NOT_ATTENDED", "NOT_SET"]
PAGE = f"""
query($perspective: AttendancePerspective, $filter: AttendanceFilter, $orderBy: [AttendanceOrder!]!,
      $first: Int, $after: String, $last: Int, $before: String) {{
  attendances(perspective: $perspective, filter: $filter, orderBy: $orderBy,
              first: $first, after: $after, last: $last, before: $before) {{
    nodes {{ {RECORD} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    totalCount summary {{ total attended notAttended notSet numberOfAttendees attendanceRate }}
  }}
}}
"""

sites = st.integers(0, 1)
bookings = st.sampled_from([*BOOKINGS, BOOKINGS[2].upper()])
items = st.fixed_dictionaries(
    {
        "bookingId": bookings,
        "sessionId": st.sampled_from(SESSIONS),
        "status": st.sampled_from(STATUSES),
    },
    optional={"numberOfAttendees": st.none() | st.integers(0, 3)},
)
bad_changes = st.sampled_from(
    [
        {"bookingId": "no guid"},
        {"sessionId": ""},
        {"sessionId": "x" * 251},
        {"sessionId": "nul\0"},
        {"numberOfAttendees": -1},
    ]
)
bad_items = st.builds(lambda item, change: {**item, **change}, items, bad_changes)
queries = st.builds(
    Query,
    st.none()
    | st.builds(lambda value: {"bookingId": value}, st.sampled_from(BOOKINGS))
    | st.builds(lambda value: {"sessionId": value}, st.sampled_from(SESSIONS)),
    st.none()
    | st.builds(lambda value: {"status": {"eq": value}}, st.sampled_from(STATUSES))
    | st.builds(lambda value: {"numberOfAttendees": {"ge": value}}, st.integers(0, 3)),
    st.sampled_from([[], ["SESSION_ID_ASC"], ["NUMBER_OF_ATTENDEES_DESC", "BOOKING_ID_ASC"], ["STATUS_ASC"]]),
)
# Which id to name: one of the site's records, one of the other site's, one that was, one that never was, none at all.
picks = st.tuples(st.sampled_from(["own", "own", "own", "foreign", "past", "unknown", "malformed"]), st.integers(0, 99))


class World:
    """The service and the loop that it runs in, for machines that know nothing of loops."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client_of: ClientOf) -> None:
        self.loop = loop
        self.client_of = client_of

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)


@pytest.fixture
def world(database_url: str, calls_functions: bool) -> Iterator[World]:  # noqa: FBT001
    loop = asyncio.new_event_loop()

    async def open_database() -> RecordingDatabase:
        database = RecordingDatabase(database_url)
        database.is_distributed = calls_functions
        return database

    service = open_service(loop.run_until_complete(open_database()))
    yield World(loop, loop.run_until_complete(service.__aenter__()))
    loop.run_until_complete(service.__aexit__(None, None, None))
    loop.close()


class Writing(RuleBasedStateMachine):
    """Calls of two sites with the same bookings and sessions."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.sites = [ModelSite(), ModelSite()]
        self.clients = [world.client_of(site.id) for site in self.sites]

    def ask(self, site: int, document: str, **variables: Any) -> Any:
        (answer,) = self.world.run(self.clients[site].data(document, **variables)).values()
        return answer

    def refuse(self, site: int, document: str, **variables: Any) -> str:
        code: str = self.world.run(self.clients[site].error(document, **variables))["extensions"]["code"]
        return code

    def choose_id(self, site: int, pick: tuple[str, int]) -> str:
        kind, number = pick
        ids = {
            "own": [record["id"] for record in self.sites[site].records.values()],
            "foreign": [record["id"] for record in self.sites[1 - site].records.values()],
            "past": self.sites[site].ids,
            "malformed": ["no guid"],
        }.get(kind) or [str(uuid4())]
        chosen = ids[number % len(ids)]
        return str(chosen.upper() if number % 7 == 0 else chosen)

    @rule(site=sites, item=items)
    def set_one(self, site: int, item: Item) -> None:
        self.sites[site].check_set(item, self.ask(site, SET, input=item)["attendance"])

    @rule(site=sites, item=bad_items)
    def set_what_cannot_be_stored(self, site: int, item: Item) -> None:
        assert self.refuse(site, SET, input=item) == "BAD_USER_INPUT"

    @rule(site=sites, bulk=st.lists(items | items | items | bad_items, min_size=1, max_size=20))
    def set_many(self, site: int, bulk: list[Item]) -> None:
        self.sites[site].check_bulk_set(bulk, self.ask(site, BULK_SET, input=bulk))

    @rule(site=sites, pick=picks)
    def delete_one(self, site: int, pick: tuple[str, int]) -> None:
        chosen = self.choose_id(site, pick)
        if chosen.lower() == "no guid":
            assert self.refuse(site, DELETE, id=chosen) == "BAD_USER_INPUT"
        elif self.sites[site].delete(chosen.lower()):
            assert self.ask(site, DELETE, id=chosen) == {"deletedId": chosen.lower()}
        else:
            assert self.refuse(site, DELETE, id=chosen) == "ATTENDANCE_NOT_FOUND"

    @rule(site=sites, chosen=st.lists(picks, min_size=1, max_size=8))
    def delete_many(self, site: int, chosen: list[tuple[str, int]]) -> None:
        ids = [self.choose_id(site, pick) for pick in chosen]
        self.sites[site].check_bulk_delete(ids, self.ask(site, BULK_DELETE, ids=ids))

    @rule(site=sites, pick=picks)
    def read_one(self, site: int, pick: tuple[str, int]) -> None:
        chosen = self.choose_id(site, pick)
        if chosen.lower() == "no guid":
            assert self.refuse(site, READ, id=chosen) == "BAD_USER_INPUT"
        else:
            assert self.ask(site, READ, id=chosen) == self.sites[site].find(chosen.lower())

    @rule(site=sites, query=queries, size=st.integers(1, 7), backward=st.booleans())
    def read_all_pages(self, site: int, query: Query, size: int, backward: bool) -> None:  # noqa: FBT001
        matching = find_matching(self.sites[site].list_records(), query)
        cursor, position = None, len(matching) if backward else -1
        while True:
            arguments = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
            known = None if cursor is None else position
            window = Window(None, None, size, known) if backward else Window(size, known, None, None)
            page, follows, precedes = cut_page(len(matching), window)
            found = self.ask(site, PAGE, **query.variables, **arguments)
            assert found["nodes"] == [self.sites[site].find(str(matching[at].id)) for at in page]
            assert (found["pageInfo"]["hasNextPage"], found["pageInfo"]["hasPreviousPage"]) == (follows, precedes)
            assert (found["totalCount"], found["summary"]) == (len(matching), add_up(matching))
            if not (precedes if backward else follows):
                return
            cursor = found["pageInfo"]["startCursor" if backward else "endCursor"]
            position = page[0] if backward else page[-1]


def test_the_service_and_the_model_never_differ(world: World) -> None:
    """`ATTENDANCE_TEST_EXAMPLES` is how many sequences of up to 40 calls are tried; 25 where it is not set."""

    class WritingHere(Writing):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        WritingHere,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
