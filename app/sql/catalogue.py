"""The closed catalogue of identifiers that statements may name, quoted."""

from collections.abc import Iterable

from app.plan.order import OrderKey
from app.plan.properties import GUID_PROPERTIES, Property
from app.sql.fragment import Fragment, join, sql

TABLE = sql('"attendance"')
DELETIONS = sql('"attendance_deletion"')
REVISIONS = sql('"site_revision"')
TOTALS = sql('"site_totals"')
SITE = sql('"site_id"')
REVISION_NAME = "revision"
REVISION = sql(f'"{REVISION_NAME}"')
DELETED_AT = sql('"deleted_at"')
PRUNED_THROUGH = sql('"deletions_pruned_through"')
COLUMNS = {of: sql(f'"{of.value}"') for of in Property}
DESCENDING_COLUMNS = {Property.NUMBER_OF_ATTENDEES: sql('"number_of_attendees_descending"')}
COLUMN_TYPES = {
    Property.ID: sql("uuid"),
    Property.BOOKING_ID: sql("uuid"),
    Property.SESSION_ID: sql("text"),
    Property.STATUS: sql("text"),
    Property.NUMBER_OF_ATTENDEES: sql("integer"),
}


def name_texts(columns: Iterable[Property]) -> Fragment:
    """Output columns, with GUIDs cast to text, as a response has them.

    A SELECT with these outputs must not have an ORDER BY of its own: it would sort by the texts.
    """
    return join(
        ", ",
        [sql("{}::text AS {}", COLUMNS[of], COLUMNS[of]) if of in GUID_PROPERTIES else COLUMNS[of] for of in columns],
    )


def name_order_column(key: OrderKey) -> Fragment:
    """The column whose ascending order is the key's order.

    A descending key has a column of its own that holds the negative, so that any mixture of directions is one row
    comparison, answered by one index.
    """
    return (DESCENDING_COLUMNS if key.descending else COLUMNS)[key.of]


def name_order_output(key: OrderKey) -> Fragment:
    """The same key as an expression over output columns, which hold the property itself."""
    return sql("-{}", COLUMNS[key.of]) if key.descending else COLUMNS[key.of]
