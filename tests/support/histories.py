"""Whether what is stored after many calls at once is what the same calls leave when they are run one after another."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

Key = Hashable
Stored = Mapping[Any, tuple[str, int]]
Before = tuple[Hashable, Hashable]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a call did to one key: its record has this id and holds the number, or is deleted where there is none."""

    key: Key
    record_id: str
    number: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """An acknowledged call: when it was sent and answered, and what the answer says it did, to each key once.

    The numbers that a call stores are its own: no other call stores them.
    """

    started: float
    ended: float
    effects: Sequence[Effect]


@dataclass(slots=True)
class Life:
    """The calls that touched one record, from its creation to its deletion."""

    setters: dict[int, Call] = field(default_factory=dict)
    deleters: list[Call] = field(default_factory=list)

    @property
    def calls(self) -> list[Call]:
        return [*self.setters.values(), *self.deleters]


def find_contradiction(calls: Sequence[Call], stored: Stored) -> str | None:
    """Why no order of the calls leaves what is stored, an id and a number for each key; None where one does.

    The order must be one that the callers could have seen: a call that was answered before another was sent comes
    first. Each call is one transaction, so it stands at one place of the order with all that it did. No call reads,
    so what is left is told by which call was the last to touch each key.
    """
    before = order_by_time(calls)
    lives_by_key = group_by_record(calls)
    if unknown := stored.keys() - lives_by_key.keys():
        return f"nobody set {unknown}"
    for key, lives in lives_by_key.items():
        record_id, number = stored.get(key, (None, None))
        if record_id is not None and record_id not in lives:
            return f"{key}: nobody was told of the record that is stored"
        for each, life in lives.items():
            last = life.setters.get(number) if each == record_id and number is not None else find_deleter(life)
            if last is None or (each == record_id and life.deleters):
                return f"{key}: record {each} was deleted {len(life.deleters)} times, and {record_id} holds {number}"
            before += [(call, last) for call in life.calls if call is not last]
            if record_id is not None and each != record_id:
                before += [(last, call) for call in lives[record_id].calls]
    return find_cycle(before)


def group_by_record(calls: Sequence[Call]) -> dict[Key, dict[str, Life]]:
    """The lives of each key's records, by their ids."""
    lives: dict[Key, dict[str, Life]] = defaultdict(lambda: defaultdict(Life))
    for call in calls:
        for effect in call.effects:
            life = lives[effect.key][effect.record_id]
            if effect.number is None:
                life.deleters.append(call)
            else:
                life.setters[effect.number] = call
    return lives


def find_deleter(life: Life) -> Call | None:
    """The one call that deleted a record."""
    return life.deleters[0] if len(life.deleters) == 1 else None


def order_by_time(calls: Sequence[Call]) -> list[Before]:
    """Which calls were answered before which others were sent, by way of the moments of the answers in a chain."""
    answered = sorted(calls, key=lambda call: call.ended)
    moments = [("answered", position) for position in range(len(answered))]
    before: list[Before] = [*pairwise(moments), *zip(answered, moments, strict=True)]
    position = 0
    for call in sorted(calls, key=lambda call: call.started):
        while answered[position].ended < call.started:
            position += 1
        if position:
            before.append((moments[position - 1], call))
    return before


def find_cycle(before: Sequence[Before]) -> str | None:
    """A circle of what must come before what; None where there is an order."""
    order: TopologicalSorter[Hashable] = TopologicalSorter()
    for first, second in before:
        order.add(second, first)
    try:
        order.prepare()
    except CycleError as error:
        return f"no order of the calls leaves this: {[each for each in error.args[1] if isinstance(each, Call)]}"
    return None
