"""The order to read in: up to five properties, with `id` as the last tie-breaker."""

from collections.abc import Sequence
from typing import NamedTuple

from app.errors import BadUserInput
from app.plan.properties import Property

ARGUMENT = "orderBy"


class OrderKey(NamedTuple):
    """A property to order by. Only the number of attendees can be descending."""

    of: Property
    descending: bool = False


Order = tuple[OrderKey, ...]

ID_ASCENDING = OrderKey(Property.ID)
DEFAULT_ORDER: Order = (ID_ASCENDING,)


def plan_order(keys: Sequence[OrderKey]) -> Order:
    """The keys up to and including `id`, which is added if it is absent. Keys after `id` have no effect: it is unique.

    An empty list is the default order. Raises BadUserInput when a property occurs twice.
    """
    properties = [key.of for key in keys]
    for position, of in enumerate(properties):
        if of in properties[:position]:
            name = of.upper()
            raise BadUserInput(f"`{ARGUMENT}` names {name} twice; each property may be named once.", argument=ARGUMENT)
    if Property.ID in properties:
        return tuple(keys[: properties.index(Property.ID) + 1])
    return (*keys, ID_ASCENDING)
