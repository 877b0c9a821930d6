"""The feed against a model: random writes, followers with random perspectives and page sizes, from random cursors."""

from copy import deepcopy
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest

from app.attendance.transfer.site import store_rows
from app.database.transfer import ImportRow
from tests.support.changes import CHANGES, SET, Site
from tests.support.feed_model import FeedModel, Follower, Key, draw_keys

STATUSES = ["ATTENDED", "NOT_ATTENDED", "NOT_SET"]
STEPS = 60
AGE = "UPDATE attendance_deletion SET deleted_at = now() - interval '31 days' WHERE site_id = $1"
FOREVER = 100


async def write(site: Site, model: FeedModel, chance: Random) -> None:
    """One random write, done to both."""
    kind = chance.choice(["set", "set", "set", "delete", "delete", "import", "restore", "age"])
    if kind == "set":
        keys = draw_keys(chance, 4)
        items = [
            {"bookingId": key.booking, "sessionId": key.session, "status": chance.choice(STATUSES)} for key in keys
        ]
        results = (await site.data(SET, input=items))["results"]
        ids = [result["attendance"]["id"] for result in results]
        model.set({key: (id_, item["status"]) for key, id_, item in zip(keys, ids, items, strict=True)})
    elif kind == "delete" and model.ids():
        ids = chance.sample(model.ids(), chance.randint(1, min(3, len(model.ids()))))
        await site.delete(*ids)
        model.delete(ids)
    elif kind == "import":
        new = [key for key in draw_keys(chance, 3) if model.find(key) is None]
        await restore(site, model, {key: str(UUID(int=chance.getrandbits(128))) for key in new}, chance)
    elif kind == "restore":
        gone = [each for each in model.changes.values() if each.status is None and model.find(each.key) is None]
        await restore(site, model, {each.key: each.id for each in gone[:2]}, chance)
    elif kind == "age":
        async with site.service.database.connection(site.site_id) as connection:
            await connection.execute(AGE, site.site_id)
        model.age()


async def restore(site: Site, model: FeedModel, records: dict[Key, str], chance: Random) -> None:
    """Import records with ids of their own."""
    if not records:
        return
    now = datetime.now(UTC)
    statuses = {key: chance.choice(STATUSES) for key in records}
    rows = [ImportRow(id_, *key, statuses[key], 1, now, now) for key, id_ in records.items()]
    await store_rows(site.service.database, site.site_id, rows)
    model.set({key: (id_, statuses[key]) for key, id_ in records.items()})


async def follow(site: Site, model: FeedModel, follower: Follower, size: int) -> bool:
    """Read one batch. Whether there are more."""
    if follower.has_expired(model):
        response = await site.run(CHANGES, after=follower.cursor, first=size, perspective=follower.perspective)
        assert response["errors"][0]["extensions"]["code"] == "CURSOR_EXPIRED"
        follower.begin_again()
    expected = follower.expect(model)
    batch = await site.changes(follower.cursor, first=size, perspective=follower.perspective)
    follower.take(batch, expected, size, model)
    return bool(batch["hasMore"])


@pytest.mark.parametrize("seed", range(10))
async def test_followers_end_with_exactly_the_records_that_are(site: Site, seed: int) -> None:
    chance = Random(seed)
    model = FeedModel()
    perspectives = [None, {"bookingId": str(UUID(int=1))}, {"sessionId": "session 2"}, {"sessionId": "nothing"}]
    followers = [Follower(perspective) for perspective in perspectives]
    for _ in range(STEPS):
        await write(site, model, chance)
        follower = chance.choice(followers)
        for _ in range(chance.randrange(3)):
            await follow(site, model, follower, chance.choice([0, 1, 2, 5, 100]))
        if chance.random() < 0.1 and len(followers) < 12:
            # It goes on from the same cursor, later.
            followers.append(deepcopy(follower))
    for follower in followers:
        while await follow(site, model, follower, FOREVER):
            pass
        follower.check(model)
