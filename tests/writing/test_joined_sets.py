"""Sets of one site that wait for each other are sent as one statement: which ones, in which order, and what fails."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

import app.attendance.joined_sets
from app.attendance.joined_sets import JoinedSets
from app.errors import Conflict, OperationTimeout, ServiceUnavailable
from app.plan.properties import Property
from app.plan.write import WriteColumns
from tests.support.waiting import wait_until

COLUMNS = (Property.BOOKING_ID, Property.SESSION_ID)
OTHER_COLUMNS = (*COLUMNS, Property.STATUS)
SITE = uuid4()
CALLER: ContextVar[str] = ContextVar("CALLER", default="")


@dataclass(slots=True)
class Sender:
    """Sends statements that end when the test says; `sent` are their writes. Writes named in `failures` fail."""

    joined: JoinedSets = field(default_factory=JoinedSets)
    sent: list[list[str]] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    ends: "list[asyncio.Future[None]]" = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)

    async def send(self, writes: WriteColumns, columns: tuple[Property, ...]) -> list[Any]:
        assert len(set(writes.session_ids)) == len(writes.session_ids), "a statement cannot touch a record twice"
        names = [f"{session}={number}" for session, number in zip(writes.session_ids, writes.numbers, strict=True)]
        self.sent.append(names)
        self.callers.append(CALLER.get())
        self.ends.append(asyncio.get_running_loop().create_future())
        await self.ends[-1]
        for name in names:
            if name in self.failures:
                raise self.failures[name]
        return [(name, len(columns)) for name in names]

    def call(
        self, *names: str, columns: tuple[Property, ...] = COLUMNS, site: UUID = SITE
    ) -> "asyncio.Task[list[tuple[str, int]]]":
        """Begin a call that sets; `a=1` sets the number 1 for the session `a`."""
        sessions, numbers = zip(*(name.split("=") for name in names), strict=True)
        count = len(names)
        writes = WriteColumns(["booking"] * count, sessions, ["ATTENDED"] * count, list(map(int, numbers)))
        return asyncio.create_task(self.joined.run(site, writes, columns, self.send))  # type: ignore[arg-type]

    async def end(self, *positions: int) -> None:
        for position in positions:
            self.ends[position].set_result(None)
        await settle()


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def sender() -> Sender:
    return Sender()


async def begin(sender: Sender, calls: Sequence[str]) -> "list[asyncio.Task[list[tuple[str, int]]]]":
    """A call that runs, and others that wait for it."""
    tasks = [sender.call("running=0"), *(sender.call(each) for each in calls)]
    await settle()
    assert sender.sent == [["running=0"]]
    return tasks


async def test_sets_that_wait_for_one_of_their_site_go_as_one_statement_and_each_caller_gets_its_own_rows(
    sender: Sender,
) -> None:
    tasks = await begin(sender, ["a=1", "b=2"])
    bulk = sender.call("c=3", "d=4")
    await settle()
    await sender.end(0)
    assert sender.sent[1:] == [["a=1", "b=2", "c=3", "d=4"]]
    await sender.end(1)
    assert [await task for task in tasks] == [[("running=0", 2)], [("a=1", 2)], [("b=2", 2)]]
    assert await bulk == [("c=3", 2), ("d=4", 2)]


def test_a_set_that_finds_nothing_running_needs_no_loop_to_be_sent() -> None:
    async def send(writes: WriteColumns, _: object) -> list[Any]:
        return list(writes.session_ids)

    writes = WriteColumns(["booking"], ["a"], ["ATTENDED"], [1])
    with pytest.raises(StopIteration) as ended:
        JoinedSets().run(SITE, writes, COLUMNS, send).send(None)
    assert ended.value.value == ["a"]


async def test_a_set_that_is_alone_when_its_turn_comes_is_sent_by_its_caller(sender: Sender) -> None:
    await begin(sender, ["a=1"])
    tasks = asyncio.all_tasks()
    await sender.end(0)
    assert sender.sent[1:] == [["a=1"]]
    assert asyncio.all_tasks() < tasks
    await sender.end(1)


async def test_sets_of_other_sites_do_not_wait(sender: Sender) -> None:
    await begin(sender, [])
    sender.call("a=1", site=uuid4())
    await settle()
    assert sender.sent[1:] == [["a=1"]]
    await sender.end(0, 1)


async def test_writes_of_one_key_are_sent_in_their_order_each_in_a_statement_of_its_own(sender: Sender) -> None:
    tasks = await begin(sender, ["a=1", "a=2", "b=1", "a=3", "b=2"])
    for position in range(4):
        await sender.end(position)
    assert sender.sent[1:] == [["a=1", "b=1"], ["a=2", "b=2"], ["a=3"]]
    assert [(await task)[0][0] for task in tasks[1:]] == ["a=1", "a=2", "b=1", "a=3", "b=2"]


async def test_only_sets_that_return_the_same_columns_share_a_statement_and_none_overtakes_one_of_its_key(
    sender: Sender,
) -> None:
    await begin(sender, ["a=1"])
    sender.call("b=1", columns=OTHER_COLUMNS)
    last = [sender.call("b=2"), sender.call("c=1")]
    await settle()
    for position in range(4):
        await sender.end(position)
    assert sender.sent[1:] == [["a=1", "c=1"], ["b=1"], ["b=2"]]
    assert [await task for task in last] == [[("b=2", 2)], [("c=1", 2)]]


async def test_a_statement_has_at_most_a_hundred_writes(sender: Sender) -> None:
    tasks = await begin(sender, [f"{n}=0" for n in range(95)])
    tasks += [sender.call(*(f"{n}=1" for n in range(100, 110))), sender.call("a=1")]
    await settle()
    for position in range(3):
        await sender.end(position)
    assert [len(each) for each in sender.sent] == [1, 96, 10]
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("failure", [ServiceUnavailable("gone"), OperationTimeout("slow")])
async def test_all_callers_of_a_statement_are_told_that_the_database_is_not_available(
    sender: Sender, failure: Exception
) -> None:
    sender.failures = {"b=1": failure}
    _, *tasks = await begin(sender, ["a=1", "b=1", "c=1"])
    await sender.end(0)
    await sender.end(1)
    assert await asyncio.gather(*tasks, return_exceptions=True) == [failure] * 3
    assert len(sender.sent) == 2


@pytest.mark.parametrize("failure", [Conflict("in the way"), ValueError("unforeseen")])
async def test_what_the_values_of_one_caller_may_have_caused_does_not_fail_the_others(
    sender: Sender, failure: Exception
) -> None:
    sender.failures = {"b=1": failure}
    _, *tasks = await begin(sender, ["a=1", "b=1", "c=1", "b=2"])
    await sender.end(0)
    await sender.end(1)
    assert sender.sent[1:] == [["a=1", "b=1", "c=1"], ["a=1"], ["b=1"], ["c=1"]], "the next `b` waits for this one"
    await sender.end(2, 3, 4)
    assert sender.sent[5:] == [["b=2"]]
    await sender.end(5)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes == [[("a=1", 2)], failure, [("c=1", 2)], [("b=2", 2)]]


async def test_a_set_that_fails_alone_is_not_sent_again(sender: Sender) -> None:
    failure = sender.failures["a=1"] = Conflict("in the way")
    _, task = await begin(sender, ["a=1"])
    await sender.end(0)
    await sender.end(1)
    assert await asyncio.gather(task, return_exceptions=True) == [failure]
    assert len(sender.sent) == 2


async def test_who_is_cancelled_while_it_waits_is_not_sent_and_keeps_nobody(sender: Sender) -> None:
    _, first, second, third = await begin(sender, ["a=1", "b=1", "c=1"])
    first.cancel()
    await settle()
    await sender.end(0)
    assert sender.sent[1:] == [["b=1", "c=1"]]
    second.cancel()
    await settle()
    await sender.end(1)
    assert await third == [("c=1", 2)], "who is cancelled does not stop a statement that it shares"
    assert not sender.joined.sites


@pytest.mark.parametrize("is_sent", [False, True])
async def test_the_next_set_is_sent_when_one_that_goes_alone_is_cancelled(
    sender: Sender,
    is_sent: bool,  # noqa: FBT001
) -> None:
    _, first, second = await begin(sender, ["a=1", "a=2"])
    sender.ends[0].set_result(None)
    await asyncio.sleep(0)  # It is the turn of the first, which does not know it yet.
    if is_sent:
        await settle()
    first.cancel()
    await settle()
    assert sender.sent[-1] == ["a=2"]
    await sender.end(-1)
    assert await second == [("a=2", 2)]
    assert not sender.joined.sites


async def test_the_first_caller_takes_nobody_along_when_it_is_cancelled(sender: Sender) -> None:
    running, waiting = await begin(sender, ["a=1"])
    running.cancel()
    await settle()
    assert sender.sent[1:] == [["a=1"]]
    await sender.end(1)
    assert await waiting == [("a=1", 2)]
    assert not sender.joined.sites


async def test_no_set_waits_long_for_a_statement_that_has_stalled(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.attendance.joined_sets, "CHECK_SECONDS", 0.2)
    await begin(sender, ["a=1", "b=1", "a=2"])
    await wait_until(lambda: len(sender.sent) == 3)
    assert sender.sent[1:] == [["a=1", "b=1"], ["a=2"]]
    sender.call("c=1")
    await settle()
    assert len(sender.sent) == 3
    await wait_until(lambda: len(sender.sent) == 4)
    await sender.end(3)
    sender.call("d=1")
    await settle()
    await sender.end(0)
    assert sender.sent[4:] == [["d=1"]]
    await sender.end(1, 2, 4)
    assert not sender.joined.sites


async def test_nothing_is_kept_of_a_site_once_nothing_runs(sender: Sender) -> None:
    sender.failures = {"b=1": ValueError("unforeseen")}
    tasks = await begin(sender, ["a=1", "b=1"])
    assert list(sender.joined.sites) == [SITE]
    await sender.end(0)
    await sender.end(1)
    assert list(sender.joined.sites) == [SITE]
    await sender.end(2, 3)
    assert not sender.joined.sites
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_shared_statement_is_sent_in_the_context_of_one_of_its_callers(sender: Sender) -> None:
    tasks = []
    for name in ("one", "two", "three"):
        CALLER.set(name)
        tasks.append(sender.call(f"{name}=1"))
        await settle()
    await sender.end(0)
    await sender.end(1)
    assert sender.callers == ["one", "two"]
    await asyncio.gather(*tasks)
