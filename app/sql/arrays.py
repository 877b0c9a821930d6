"""Lists of values as parameters: the text of an array, which Postgres casts.

The driver encodes an array value by value, and looks up its type on each new connection; a text takes neither.
"""

from collections.abc import Iterable

from app.plan.properties import Property
from app.sql.catalogue import COLUMN_TYPES
from app.sql.fragment import Fragment, Parameter, sql

SEPARATOR = '","'


def write_array(values: Iterable[object]) -> str:
    """The text of a Postgres array of these values, which are GUIDs, texts or numbers: `{"1","2"}`."""
    texts = list(map(str, values))
    if not texts:
        return "{}"
    joined = SEPARATOR.join(texts)
    if "\\" in joined or joined.count('"') > 2 * (len(texts) - 1):
        joined = SEPARATOR.join([text.replace("\\", "\\\\").replace('"', '\\"') for text in texts])
    return f'{{"{joined}"}}'


def cast_array(text: Parameter, of: Property) -> Fragment:
    """The array whose text is this parameter, of the type of a property's column."""
    return sql("{}::text::{}[]", text, COLUMN_TYPES[of])
