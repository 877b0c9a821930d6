"""A model of the feed of one site: what it must hold, by brute force, and those who follow it."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

END = "~"  # behind every id


class Key(NamedTuple):
    """Whose attendance it is."""

    booking: str
    session: str


class Change(NamedTuple):
    """The last change of a record: its place in the feed, and the status that it has now, None if it was deleted."""

    revision: int
    id: str
    key: Key
    status: str | None


@dataclass
class FeedModel:
    """The last change of each record that is, or that was and whose deletion is kept."""

    revision: int = 0
    pruned_through: int = 0
    changes: dict[str, Change] = field(default_factory=dict)
    aged: set[str] = field(default_factory=set)

    def ids(self) -> list[str]:
        """The ids of the records that are."""
        return sorted(change.id for change in self.changes.values() if change.status is not None)

    def find(self, key: Key) -> Change | None:
        return next((each for each in self.changes.values() if each.key == key and each.status is not None), None)

    def set(self, given: dict[Key, tuple[str, str]]) -> None:
        """One statement that sets: for each key, the id of its record and the status."""
        self.revision += 1
        for key, (id_, status) in given.items():
            known = self.find(key)
            if known is None or known.status != status:
                self._put(known.id if known else id_, key, status)

    def delete(self, ids: list[str]) -> None:
        """One statement that deletes; it prunes the deletions that have aged."""
        self.revision += 1
        for pruned in self.aged & self.changes.keys():
            self.pruned_through = max(self.pruned_through, self.changes.pop(pruned).revision)
        self.aged = set()
        for id_ in ids:
            self._put(id_, self.changes[id_].key, None)

    def age(self) -> None:
        """Let all deletions become old."""
        self.aged = {change.id for change in self.changes.values() if change.status is None}

    def _put(self, id_: str, key: Key, status: str | None) -> None:
        self.changes[id_] = Change(self.revision, id_, key, status)
        self.aged.discard(id_)


@dataclass
class Follower:
    """Who follows a perspective: its cursor, where that is in the model's feed, and its copy of the records."""

    perspective: dict[str, str] | None
    cursor: str | None = None
    position: tuple[int, str] = (-1, END)
    begun: int = 0
    copy: dict[str, Any] = field(default_factory=dict)

    def sees(self, key: Key) -> bool:
        wanted = self.perspective or {}
        return (
            wanted.get("bookingId", key.booking) == key.booking and wanted.get("sessionId", key.session) == key.session
        )

    def expect(self, model: FeedModel) -> list[Change]:
        """All changes that it has not read."""
        return sorted(each for each in model.changes.values() if self.sees(each.key) and each[:2] > self.position)

    def has_expired(self, model: FeedModel) -> bool:
        revision, id_ = self.position
        whole = revision if id_ == END else revision - 1
        return self.cursor is not None and model.pruned_through > max(whole, self.begun)

    def take(self, batch: Any, expected: list[Change], size: int, model: FeedModel) -> None:
        """Hold a batch against what was expected, and put it into the copy."""
        taken = expected[:size]
        kinds = ["DELETED" if each.status is None else "SET" for each in taken]
        got = [(each["attendanceId"], each["kind"]) for each in batch["changes"]]
        assert got == [(each.id, kind) for each, kind in zip(taken, kinds, strict=True)]
        assert batch["hasMore"] == (len(expected) > size)
        for change in batch["changes"]:
            if change["kind"] == "DELETED":
                assert change["attendance"] is None
                self.copy.pop(change["attendanceId"], None)
            else:
                self.copy[change["attendanceId"]] = change["attendance"]
        if self.cursor is None:
            self.begun = model.revision
        if not batch["hasMore"]:
            self.position = model.revision, END
            self.check(model)
        elif taken:
            self.position = taken[-1].revision, taken[-1].id
        self.cursor = batch["cursor"]

    def check(self, model: FeedModel) -> None:
        """Its copy has exactly the records that are."""
        records = [each for each in model.changes.values() if each.status is not None and self.sees(each.key)]
        copied = {id_: (Key(each["bookingId"], each["sessionId"]), each["status"]) for id_, each in self.copy.items()}
        assert copied == {each.id: (each.key, each.status) for each in records}

    def begin_again(self) -> None:
        self.cursor, self.position, self.begun, self.copy = None, (-1, END), 0, {}


def draw_keys(chance: Random, most: int) -> list[Key]:
    """Some keys of few bookings and sessions, each once."""
    keys = [Key(str(UUID(int=chance.randrange(4))), f"session {chance.randrange(4)}") for _ in range(most)]
    return sorted(set(keys))
