"""Lists of values as parameters: the text of an array, which Postgres casts.

The driver encodes an array value by value, and looks up its type on each new connection; a text takes neither.
"""

from collections.abc import Sequence

from app.plan.properties import Property
from app.sql.catalogue import COLUMN_TYPES
from app.sql.fragment import Fragment, Parameter, sql

SEPARATOR = '","'


def write_array(values: Sequence[object]) -> str:
    """The text of a Postgres array of these values, which are GUIDs, texts or numbers: `{"1","2"}`."""
    if not values:
        return "{}"
    try:
        joined = SEPARATOR.join(values)  # type: ignore[arg-type]
    except TypeError:  # not all of them are texts
        joined = SEPARATOR.join(map(str, values))
    if "\\" in joined or joined.count('"') > 2 * (len(values) - 1):
        texts = map(str, values)
        joined = SEPARATOR.join([text.replace("\\", "\\\\").replace('"', '\\"') for text in texts])
    return f'{{"{joined}"}}'


def cast_array(text: Parameter, of: Property) -> Fragment:
    """The array whose text is this parameter, of the type of a property's column."""
    return sql("{}::text::{}[]", text, COLUMN_TYPES[of])
