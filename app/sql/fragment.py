"""SQL fragments with parameters in place of values: the text never holds a value, and `$n` is numbered at the end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from operator import call
from typing import Any, NamedTuple

# How many rendered shapes of statements each cache keeps.
MOST_TEMPLATES = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A value of a statement, which `read` gets from the object that the statement is bound to.

    All occurrences of the same parameter share one `$n`.
    """

    read: Callable[[Any], object]


class Statement(NamedTuple):
    """What is sent to Postgres: a text with `$n`, and the values in that order."""

    text: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A statement without its values, rendered once for all plans of the same shape."""

    text: str
    readers: tuple[Callable[[Any], object], ...]

    def bind(self, values: object) -> Statement:
        """The statement with the values that its parameters read from this object."""
        return Statement(self.text, tuple(map(call, self.readers, repeat(values))))


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL: texts and parameters in sequence."""

    parts: tuple[str | Parameter, ...]

    def to_template(self, site: Parameter) -> Template:
        """Number the parameters in the order in which they first occur, after the site, which is always `$1`."""
        if site not in self.parts:
            raise ValueError("a statement without its site")
        numbers = {site: 1}
        text = "".join(
            [part if isinstance(part, str) else f"${numbers.setdefault(part, len(numbers) + 1)}" for part in self.parts]
        )
        return Template(text, tuple(parameter.read for parameter in numbers))


def sql(template: str, *values: Fragment | Parameter) -> Fragment:
    """A fragment from a text in which each `{}` takes the next fragment or parameter.

    The template is a constant of the code. Values from callers never enter it: a `Parameter` reads them.
    """
    texts = template.split("{}")
    assert len(texts) == len(values) + 1, template
    parts: list[str | Parameter] = [texts[0]]
    for value, text in zip(values, texts[1:], strict=True):
        parts += value.parts if isinstance(value, Fragment) else (value,)
        parts.append(text)
    return Fragment(tuple(parts))


def join(separator: str, fragments: Iterable[Fragment]) -> Fragment:
    """The fragments with a separator between them, such as `" AND "`."""
    parts: list[str | Parameter] = []
    for fragment in fragments:
        if parts:
            parts.append(separator)
        parts += fragment.parts
    return Fragment(tuple(parts))
