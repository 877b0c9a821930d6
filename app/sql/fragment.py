"""SQL fragments that know where their values come from: text never holds one, and `$n` is numbered once, at the end."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A value of a statement, and how it is read from what the statement is bound to.

    Wherever the same parameter stands, it gets the same `$n`.
    """

    read: Callable[[Any], object]


class Statement(NamedTuple):
    """What is sent to Postgres: a text with `$n`, and the values in that order."""

    text: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A statement without its values, made once for all plans of a shape."""

    text: str
    parameters: tuple[Parameter, ...]

    def bind(self, values: object) -> Statement:
        """The statement for these values, of the kind that the template's parameters read."""
        return Statement(self.text, tuple([parameter.read(values) for parameter in self.parameters]))


class Templates:
    """The templates of the shapes that were seen so far; all are forgotten when there are too many."""

    def __init__(self, most: int = 2_000) -> None:
        self._most = most
        self._kept: dict[Hashable, Template] = {}

    def find(self, shape: Hashable, build: Callable[[], Template]) -> Template:
        template = self._kept.get(shape)
        if template is None:
            if len(self._kept) >= self._most:
                self._kept.clear()
            template = self._kept[shape] = build()
        return template


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
        return Template(text, tuple(numbers))


def sql(template: str, *values: Fragment | Parameter) -> Fragment:
    """A fragment from a text in which each `{}` takes the next fragment or parameter.

    The template is a constant of the code; whatever comes from a caller is read by a `Parameter`.
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
