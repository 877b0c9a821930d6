"""Attacks, each and all together: a worker keeps its bound of memory, and answers the sites that do not attack."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from app.database.migrations import migrate
from tests.load.test_large_answers import LONG
from tests.load.test_shares import FILL, PAGE
from tests.operations.test_memory import read_memory
from tests.support.attacks import ATTACKS, Target, start_attacks
from tests.support.commands import RunningService, start_service
from tests.support.flood import Crowd, flood
from tests.support.key_server import publish, serve_keys
from tests.support.service import READ_SCOPE, WRITE_SCOPE

KEY = ed25519.Ed25519PrivateKey.generate()
KEY_SECONDS = 1.5
SECONDS = 15.0
MODEST_SECONDS = 1.0
RATE = 20.0
MOST_MEGABYTES = 300.0
COUNTED_RECORDS = 200_000
FILL_SESSION = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT $1, gen_random_uuid(), gen_random_uuid(), $2, 'ATTENDED', 1 FROM generate_series(1, 100)
"""


def sign(site: UUID, key_id: str = "known") -> str:
    claims = {"site_id": str(site), "scope": f"{READ_SCOPE} {WRITE_SCOPE}", "exp": 4_000_000_000}
    return jwt.encode(claims, KEY, "EdDSA", headers={"kid": key_id})


async def fill(url: str, counted: UUID, read: UUID) -> None:
    await migrate(url, row_security=True)
    owner = await asyncpg.connect(url)
    await owner.execute(FILL, counted, COUNTED_RECORDS)
    await owner.execute(FILL_SESSION, read, LONG)
    await owner.execute("ANALYZE attendance")
    await owner.close()


class Attacked(NamedTuple):
    """A service with sites to attack, and one that asks modestly."""

    service: RunningService
    modest: Crowd
    tokens: dict[str, str]

    async def start(self, seconds: float, only: str | None = None) -> asyncio.subprocess.Process:
        junk = [sign(uuid4(), f"unknown {uuid4()}") for _ in range(1000)]
        return await start_attacks(Target(self.service.url, self.tokens, junk, seconds, only))


@pytest.fixture
async def attacked(tmp_path: Path, create_database: Callable[[], str]) -> AsyncIterator[Attacked]:
    url, sites = create_database(), {use: uuid4() for use in ("write", "count", "read", "documents")}
    await fill(url, sites["count"], sites["read"])
    async with serve_keys() as keys:
        keys.holds(publish(KEY, "known"))
        with start_service(tmp_path, "serve", DATABASE_URL=url, JWKS_URL=keys.url) as service:
            modest = Crowd(service.url, PAGE, sign(uuid4()), MODEST_SECONDS, rate=RATE)
            assert list((await flood(modest))[0]) == [200]
            keys.delay = KEY_SECONDS
            yield Attacked(service, modest, {use: sign(site) for use, site in sites.items()})


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
async def test_a_worker_keeps_its_bound_of_memory_through_all_attacks_together(attacked: Attacked) -> None:
    process = await attacked.start(SECONDS)
    attacking = asyncio.create_task(process.wait())
    memory = []
    while not attacking.done():
        memory.append(read_memory(attacked.service.process.pid))
        await asyncio.sleep(0.05)
    assert await attacking == 0
    assert list((await flood(attacked.modest))[0]) == [200]
    assert max(memory) < MOST_MEGABYTES


async def test_no_attack_has_another_site_refused(attacked: Attacked) -> None:
    for attack in ATTACKS:
        process = await attacked.start(MODEST_SECONDS + 1, attack.__name__)
        await asyncio.sleep(0.5)
        [beside] = await flood(attacked.modest)
        assert await process.wait() == 0
        assert list(beside) == [200], attack.__name__
        assert len(beside[200]) == MODEST_SECONDS * RATE
