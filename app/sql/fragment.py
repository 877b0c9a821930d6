"""SQL fragments that hold their values: text never contains a value, and `$n` is numbered once, at the end."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A value of a statement; wherever the same parameter stands, it gets the same `$n`."""

    value: object


@dataclass(frozen=True, slots=True)
class Statement:
    """What is sent to Postgres: a text with `$n`, and the values in that order."""

    text: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL: texts and parameters in sequence."""

    parts: tuple[str | Parameter, ...]

    def to_statement(self, site: Parameter) -> Statement:
        """Number the parameters in the order in which they first occur, after the site, which is always `$1`."""
        if site not in self.parts:
            raise ValueError("a statement without its site")
        numbers = {site: 1}
        text = "".join(
            [part if isinstance(part, str) else f"${numbers.setdefault(part, len(numbers) + 1)}" for part in self.parts]
        )
        return Statement(text, tuple(parameter.value for parameter in numbers))


def sql(template: str, *values: Fragment | Parameter) -> Fragment:
    """A fragment from a text in which each `{}` takes the next fragment or parameter.

    The template is a constant of the code; whatever comes from a caller is a `Parameter`.
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
