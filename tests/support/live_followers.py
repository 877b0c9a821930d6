"""Clients that follow a site's changes over a real transport, lose their streams, and note what each batch has told."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import httpx2
from websockets.exceptions import WebSocketException

from app.plan.changes import plan_changes_cursors
from app.plan.filter import Perspective
from app.plan.properties import Property
from tests.support.change_history import BEGINNING, Change, ChangeHistory, Position, State
from tests.support.changes import CHANGES, STREAM
from tests.support.following import FOLLOW, Follower, StreamEnded, StreamRefused
from tests.support.service import GraphQLClient

PAGE = """query($of: AttendancePerspective) {
  attendances(perspective: $of, first: 100) {
    nodes { id bookingId sessionId status numberOfAttendees } pageInfo { hasNextPage } changesCursor
  }
}"""
PASSING = {"SERVICE_UNAVAILABLE", "TIMEOUT"}


class Unavailable(Exception):
    """The service has said that it cannot answer at the moment."""


LOST = (httpx2.TransportError, WebSocketException, OSError, StreamEnded, TimeoutError, Unavailable)
PATIENCE_SECONDS = 60.0
PROPERTIES = {"bookingId": Property.BOOKING_ID, "sessionId": Property.SESSION_ID}


class Batch(NamedTuple):
    """What a client has been told: the changes between two cursors."""

    after: str | None
    cursor: str
    told: list[tuple[UUID, State | None]]
    has_more: bool


@dataclass
class LiveFollower:
    """A client with its copy of what it looks at, and the cursor that belongs to it.

    It begins with a `page`, or without one with a full copy. Unless it is patient, it hangs up when nothing comes.
    """

    transport: str
    perspective: dict[str, str] | None
    chance: Random
    copy: dict[UUID, State] = field(default_factory=dict)
    cursor: str | None = None
    page: tuple[str | None, dict[UUID, State]] | None = None
    batches: list[Batch] = field(default_factory=list)
    streams: int = 0
    is_patient: bool = False

    async def read_page(self, api: GraphQLClient) -> None:
        """Begin with a page and its `changesCursor`."""
        data = await read(api, PAGE, of=self.perspective)
        assert not data["attendances"]["pageInfo"]["hasNextPage"]
        self.copy = {UUID(node["id"]): read_state(node) for node in data["attendances"]["nodes"]}
        self.cursor = data["attendances"]["changesCursor"]
        self.page = self.cursor, dict(self.copy)

    async def read_copy(self, api: GraphQLClient) -> None:
        """Begin with a full copy by the query, batch by batch."""
        while True:
            data = await read(api, CHANGES, after=self.cursor, perspective=self.perspective, first=20)
            self.take(data["attendanceChanges"])
            if not self.batches[-1].has_more:
                return

    def fork(self, transport: str) -> "LiveFollower":
        """A client of another transport that goes on from the same cursor, later."""
        return LiveFollower(transport, self.perspective, self.chance, dict(self.copy), self.cursor)

    async def follow(self, url: str, token: str) -> None:
        """Follow for ever, from the last cursor whenever the stream is lost or left."""
        while True:
            try:
                of = {"after": self.cursor, "perspective": self.perspective}
                async with FOLLOW[self.transport](url, token, STREAM, **of) as stream:
                    self.streams += 1
                    await self.read_some(stream)
            except StreamRefused as refused:
                if refused.status != 503:
                    raise
            except LOST:
                await asyncio.sleep(self.chance.random() * 0.2)

    async def read_some(self, stream: Follower) -> None:
        for _ in range(self.chance.randint(1, 100)):
            event = await stream.next(within=PATIENCE_SECONDS if self.is_patient else self.chance.random())
            self.take(read_data(event)["attendanceChanges"])
            if self.chance.random() < 0.1:
                await asyncio.sleep(self.chance.random() * 0.3)  # It is slow.

    def take(self, batch: dict[str, Any]) -> None:
        told = []
        for change in batch["changes"]:
            id_, record = UUID(change["attendanceId"]), change["attendance"]
            assert (change["kind"] == "SET") == (record is not None)
            told.append((id_, read_state(record) if record else None))
        self.batches.append(Batch(self.cursor, batch["cursor"], told, batch["hasMore"]))
        self.cursor = batch["cursor"]
        self.copy = {id_: state for id_, state in (self.copy | dict(told)).items() if state}

    def sees(self, change: Change) -> bool:
        wanted = self.perspective or {}
        return (
            wanted.get("bookingId", change.booking) == change.booking
            and wanted.get("sessionId", change.session) == change.session
        )

    def check(self, history: ChangeHistory) -> None:
        """Hold all that it was told against the history of the site."""
        if self.page:
            cursor, records = self.page
            assert records == history.list_records(self.locate(cursor)[0], self.sees)
        for batch in self.batches:
            after, until = self.locate(batch.after), self.locate(batch.cursor)
            assert until > after if batch.told else until >= after
            assert len({id_ for id_, _ in batch.told}) == len(batch.told), "a change twice in one batch"
            assert history.has_in_order(batch.told, after, until), (self.transport, batch, after, until)
            if not batch.has_more:
                assert dict(batch.told) == history.tell(after, until[0], self.sees)

    def locate(self, cursor: str | None) -> Position:
        """The place in the feed up to which a client with this cursor knows all."""
        if cursor is None:
            return BEGINNING
        named = [Perspective(PROPERTIES[name], value) for name, value in (self.perspective or {}).items()]
        perspective = named[0] if named else None
        return plan_changes_cursors(perspective).decode(cursor)[:2]


async def read(api: GraphQLClient, query: str, **variables: Any) -> dict[str, Any]:
    """The data of a query, which is asked until the service can answer."""
    while True:
        try:
            return read_data(await api.run(query, **variables))
        except (httpx2.TransportError, Unavailable):
            await asyncio.sleep(0.1)


def read_data(response: dict[str, Any]) -> dict[str, Any]:
    """The data of a response. Raises Unavailable for errors that pass; fails for all others."""
    codes = {error["extensions"]["code"] for error in response.get("errors", [])}
    assert codes <= PASSING, response
    if codes:
        raise Unavailable
    data: dict[str, Any] = response["data"]
    return data


def read_state(record: dict[str, Any]) -> State:
    return State(record["bookingId"], record["sessionId"], record["status"], record["numberOfAttendees"])
