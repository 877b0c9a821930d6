"""Rows of many parents, and GUIDs of many callers' lists, are told apart as one by one."""

from random import Random
from typing import Any
from uuid import UUID

import pytest

from app.attendance.reading import group_rows
from app.plan.properties import find_guids

GUID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize("seed", range(200))
def test_rows_are_grouped_by_their_parents(seed: int) -> None:
    chance = Random(seed)
    parents, most = chance.randint(1, 12), chance.randint(1, 6)
    groups = [
        [("row", position)] * chance.choice([1, most, chance.randint(1, most)]) for position in range(1, parents + 1)
    ]
    rows: Any = [row for group in groups for row in group]
    assert group_rows(rows, 1, parents, most) == groups


@pytest.mark.parametrize(
    "positions", [[2, 1], [1, 1, 3, 2], [1, 3, 3], [1, 1, 2], [1, 1, 1, 2, 3, 3, 3, 3], [1, 2, 3, 4]]
)
def test_rows_that_are_in_no_such_order_are_given_to_nobody(positions: list[int]) -> None:
    rows: Any = [(position,) for position in positions]
    with pytest.raises(RuntimeError):
        group_rows(rows, 0, 3, 3)


def test_guids_are_found_together() -> None:
    guids = [str(UUID(int=number << 60)) for number in range(50)]
    assert find_guids([guid.upper() if number % 2 else guid for number, guid in enumerate(guids)]) == guids


@pytest.mark.parametrize(
    "given",
    [
        [],
        [""],
        [GUID, ""],
        [f"{GUID} {GUID}"],
        [f" {GUID}"],
        [f"{GUID}\n"],
        [GUID, None],
        [GUID, 1],
        [GUID.replace("-", "")],
        [f"{{{GUID}}}"],
        [GUID.replace("0", "\u0660", 1)],
        # As long as a GUID is:
        [f"{GUID[:-1]}g"],
        [f"{GUID[:-1]}\ud800"],
        [f"{GUID[:-1]}-"],
        [GUID[1:] + GUID[0]],
        [GUID.replace("-", "0", 1)],
        [f"{GUID[:-1]} "],
        [GUID[:-1], f"0{GUID}"],
    ],
)
def test_what_is_no_guid_spoils_all(given: list[Any]) -> None:
    assert find_guids(given) is None
