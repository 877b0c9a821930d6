"""A site as it must be after the calls made so far: a dictionary, and what each answer has to say of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from tests.support.mutations import Item, key_of
from tests.support.service import Record

GUID_LENGTH = 36
Key = tuple[UUID, str]
VALID: Item = {"bookingId": "0" * GUID_LENGTH, "sessionId": "s"}


def is_valid(item: Item) -> bool:
    """Whether an input can be stored."""
    session = item["sessionId"]
    is_session = 1 <= len(session) <= 250 and "\0" not in session
    return len(item["bookingId"]) == GUID_LENGTH and is_session and (item.get("numberOfAttendees") or 0) >= 0


def name_fault(item: Item, argument: str) -> str:
    """The argument that the error of an item names: the first field that cannot be stored, or the item itself."""
    for name in ("bookingId", "sessionId", "numberOfAttendees"):
        if not is_valid({**VALID, name: item.get(name)}):
            return f"{argument}.{name}"
    return argument


@dataclass(slots=True)
class ModelSite:
    """The records of a site by key, as answers showed them last, and all ids that ever were."""

    id: UUID = field(default_factory=uuid4)
    records: dict[Key, Item] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    def find(self, record_id: str) -> Item | None:
        return next((record for record in self.records.values() if record["id"] == record_id), None)

    def check_set(self, item: Item, record: Item) -> None:
        """Take in a record that a set answered with. Without a number it keeps its own; a new record has 1."""
        known = self.records.get(key_of(item))
        number = item.get("numberOfAttendees")
        if number is None:
            number = 1 if known is None else known["numberOfAttendees"]
        assert key_of(record) == key_of(item)
        assert (record["status"], record["numberOfAttendees"]) == (item["status"], number)
        if known is None:
            assert UUID(record["id"]).version == 7
            assert record["id"] not in self.ids
            assert record["createdAt"] == record["updatedAt"]
            self.ids.append(record["id"])
        elif (known["status"], known["numberOfAttendees"]) == (item["status"], number):
            assert record == known
        else:
            assert (record["id"], record["createdAt"]) == (known["id"], known["createdAt"])
            assert record["updatedAt"] > known["updatedAt"]
        self.records[key_of(item)] = record

    def check_bulk_set(self, items: Sequence[Item], payload: Item) -> None:
        """Take in what a bulk answered: the first valid item of each key is stored, the others fail."""
        written: set[Key] = set()
        for index, (item, result) in enumerate(zip(items, payload["results"], strict=True)):
            assert result["index"] == index
            if is_valid(item) and key_of(item) not in written:
                written.add(key_of(item))
                assert result["error"] is None
                self.check_set(item, result["attendance"])
            else:
                assert result["attendance"] is None
                assert result["error"]["code"] == "BAD_USER_INPUT"
                assert result["error"]["argument"] == name_fault(item, f"input.{index}")
        assert (payload["totalSuccesses"], payload["totalFailures"]) == (len(written), len(items) - len(written))

    def delete(self, record_id: str) -> bool:
        """Forget a record; whether there was one."""
        record = self.find(record_id)
        if record is not None:
            del self.records[key_of(record)]
        return record is not None

    def check_bulk_delete(self, ids: Sequence[str], payload: Item) -> None:
        """Take in what a bulk answered: an id counts once, in either case."""
        asked: set[str] = set()
        successes = 0
        for index, (given, result) in enumerate(zip(ids, payload["results"], strict=True)):
            record_id = given.lower()
            expected: str | None = None
            assert result["index"] == index
            if len(record_id) != GUID_LENGTH or record_id in asked:
                expected = "BAD_USER_INPUT"
            else:
                asked.add(record_id)
                expected = None if self.delete(record_id) else "ATTENDANCE_NOT_FOUND"
            assert (result["error"] or {"code": None})["code"] == expected
            assert result["error"] is None or result["error"]["argument"] == f"ids.{index}"
            assert result["deletedId"] == (record_id if expected is None else None)
            successes += expected is None
        assert (payload["totalSuccesses"], payload["totalFailures"]) == (successes, len(ids) - successes)

    def list_records(self) -> list[Record]:
        """The records as the brute-force model of queries takes them."""
        return [
            Record(*key, record["status"], record["numberOfAttendees"], UUID(record["id"]))
            for key, record in self.records.items()
        ]
