"""Heartbeats of many streams: evenly spread, by one timer that runs only while there are any."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from app.web.streams import heartbeats
from app.web.streams.heartbeats import TICK_SECONDS, Heartbeats, send_at_once
from tests.support.waiting import wait_until


@dataclass(eq=False)
class CountingMember:
    beats: int = 0
    aborts: int = 0

    def beat(self) -> None:
        self.beats += 1

    def abort(self) -> None:
        self.aborts += 1


def has_beaten(member: CountingMember) -> Callable[[], bool]:
    return lambda: member.beats > 0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Heartbeats:
    """A ring of four groups that goes round in 40 ms."""
    ring = Heartbeats(4 * TICK_SECONDS)
    monkeypatch.setattr(heartbeats, "TICK_SECONDS", 0.01)
    return ring


async def test_each_member_has_its_heartbeat_in_each_round(quick: Heartbeats) -> None:
    members = [CountingMember() for _ in range(100)]
    groups = [quick.add(member) for member in members]
    assert len(quick) == 100
    await wait_until(lambda: min(member.beats for member in members) >= 3)
    assert max(member.beats for member in members) <= min(member.beats for member in members) + 1
    assert sorted(len(group) for group in {id(group): group for group in groups}.values()) == [25] * 4
    for member, group in zip(members, groups, strict=True):
        group.discard(member)
    assert len(quick) == 0


async def test_without_members_there_is_no_timer(quick: Heartbeats) -> None:
    for _ in range(2):
        member = CountingMember()
        group = quick.add(member)
        await wait_until(has_beaten(member))
        group.discard(member)
        before = member.beats
        await asyncio.sleep(0.1)
        assert member.beats == before


async def test_all_members_can_be_aborted(quick: Heartbeats) -> None:
    members = [CountingMember() for _ in range(9)]
    groups = [quick.add(member) for member in members]
    quick.abort_all()
    assert [member.aborts for member in members] == [1] * 9
    for member, group in zip(members, groups, strict=True):
        group.discard(member)


async def test_what_cannot_be_sent_at_once_is_not_sent() -> None:
    """Neither now nor later: the client gets the next heartbeat."""
    sent = []
    is_open = asyncio.Event()

    async def send(message: object) -> None:
        await is_open.wait()
        sent.append(message)

    assert not send_at_once(send, {"type": "first"})
    is_open.set()
    await asyncio.sleep(0)
    assert sent == []
    assert send_at_once(send, {"type": "second"})
    assert sent == [{"type": "second"}]
