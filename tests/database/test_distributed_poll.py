"""The poll of a cluster reads all workers at once, and each for itself while one of them does not answer."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.database import distributed_poll
from app.database.distributed_poll import GROUP_BY_WORKER, MOST_OF_FEW, DistributedPoll, render_few
from app.database.revisions import READ_REVISIONS
from app.errors import ServiceUnavailable

HERE, THERE, ALSO_THERE = (str(uuid4()) for _ in range(3))
ALL = [HERE, THERE, ALSO_THERE]


class Workers:
    """A coordinator of two workers; the second one may be lost or frozen."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.is_lost = False
        self.seconds = 0.0
        self.failure: Exception = ServiceUnavailable("lost")

    async def fetch_rows(self, text: str, arguments: Sequence[object], _: UUID) -> list[Any]:
        if text == GROUP_BY_WORKER:
            return [(HERE,), (f"{THERE},{ALSO_THERE}",)]
        sites = list(dict.fromkeys(map(str, arguments)))
        self.asked.append(sites)
        if THERE in sites:
            await asyncio.sleep(self.seconds)
            if self.is_lost:
                raise self.failure
        return [(site, 7) for site in sites]


async def test_all_workers_are_asked_by_one_statement() -> None:
    workers = Workers()
    assert dict(await DistributedPoll(workers.fetch_rows).read(ALL)) == {HERE: 7, THERE: 7, ALSO_THERE: 7}
    assert workers.asked == [ALL]


async def test_while_one_is_lost_the_others_are_read_and_all_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = Workers()
    poll = DistributedPoll(workers.fetch_rows)
    workers.is_lost = True
    for _ in range(2):
        assert await poll.read(ALL) == [(HERE, 7)]
    assert workers.asked.count(ALL) == 1
    workers.is_lost = False
    assert len(await poll.read(ALL)) == 3
    assert workers.asked.count(ALL) == 1
    monkeypatch.setattr(poll, "_apart_until", 0.0)
    await poll.read(ALL)
    assert workers.asked[-1] == ALL


async def test_one_that_is_frozen_delays_the_others_by_no_more_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed_poll, "ANSWER_SECONDS", 0.05)
    workers = Workers()
    workers.seconds = 60
    async with asyncio.timeout(5):
        assert await DistributedPoll(workers.fetch_rows).read(ALL) == [(HERE, 7)]


async def test_a_fault_is_told_and_so_is_that_no_worker_answers() -> None:
    workers = Workers()
    workers.is_lost, workers.failure = True, RuntimeError("a fault")
    with pytest.raises(RuntimeError):
        await DistributedPoll(workers.fetch_rows).read(ALL)

    async def refuse(text: str, _arguments: Sequence[object], _site: UUID) -> list[Any]:
        if text == GROUP_BY_WORKER:
            return [(HERE,), (THERE,)]
        raise ServiceUnavailable("lost")

    with pytest.raises(ServiceUnavailable):
        await DistributedPoll(refuse).read(ALL)


@pytest.mark.parametrize(("count", "parameters"), [(1, 1), (2, 2), (3, 4), (33, 64), (64, 64)])
def test_few_texts_serve_any_number_of_sites(count: int, parameters: int) -> None:
    sites = [str(uuid4()) for _ in range(count)]
    text, arguments = render_few(sites)
    assert text.count("$") == len(arguments) == parameters
    assert list(dict.fromkeys(arguments)) == sites


async def test_many_sites_are_read_from_all_shards_by_one_statement_and_in_pieces_while_a_worker_is_lost() -> None:
    sites, texts = [str(uuid4()) for _ in range(MOST_OF_FEW + 1)], list[str]()

    async def fetch(text: str, arguments: Sequence[object], _: UUID) -> list[Any]:
        if text == GROUP_BY_WORKER:
            return [(",".join(sites),)]
        texts.append(text)
        if text == READ_REVISIONS and len(texts) == 2:
            raise ServiceUnavailable("lost")
        return [(each, 7) for each in set(arguments)] if text != READ_REVISIONS else [(each, 7) for each in sites]

    poll = DistributedPoll(fetch)
    for _ in range(2):
        assert {row[0] for row in await poll.read(sites)} == set(sites)
    assert texts[:2] == [READ_REVISIONS] * 2
    assert len(texts) == 4
