"""The closed catalogue of identifiers that statements may name, quoted."""

from app.plan.order import OrderKey
from app.plan.properties import Property
from app.sql.fragment import Fragment, sql

TABLE = sql('"attendance"')
SITE = sql('"site_id"')
COLUMNS = {of: sql(f'"{of.value}"') for of in Property}
DESCENDING_COLUMNS = {Property.NUMBER_OF_ATTENDEES: sql('"number_of_attendees_descending"')}
COLUMN_TYPES = {
    Property.ID: sql("uuid"),
    Property.BOOKING_ID: sql("uuid"),
    Property.SESSION_ID: sql("text"),
    Property.STATUS: sql("text"),
    Property.NUMBER_OF_ATTENDEES: sql("integer"),
}


def name_order_column(key: OrderKey) -> Fragment:
    """The column whose ascending order is the key's order.

    A descending key has a column of its own that holds the negative, so that any mixture of directions is one row
    comparison, answered by one index.
    """
    return (DESCENDING_COLUMNS if key.descending else COLUMNS)[key.of]


def name_order_output(key: OrderKey) -> Fragment:
    """The same of a row that has been read, which holds the property itself."""
    return sql("-{}", COLUMNS[key.of]) if key.descending else COLUMNS[key.of]
