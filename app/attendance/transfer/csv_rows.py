"""Splits the text of one CSV row into its cells: quoted cells are kept as they are, the others are trimmed."""

import re
from typing import NamedTuple

QUOTE = '"'


class Cells(NamedTuple):
    """The cells of a row, and the positions of those that were quoted."""

    values: list[str]
    quoted: frozenset[int] = frozenset()


class UnclosedQuote(Exception):
    """A quoted cell that does not end in the text; `offset` is that of its opening quote."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class InvalidRow(Exception):
    """A row that is not valid CSV; the message says why."""


class RowSplitter:
    """Splits rows at one separator. The csv module does not report which cells were quoted, or where a quote opens."""

    def __init__(self, separator: str) -> None:
        self.separator = separator
        mark = re.escape(separator)
        space = rf"[^\S\r\n{mark}]*"
        end = rf"({mark}|\r\n|\r|\n|\Z)"
        quoted = rf'{space}"([^"]*+(?:""[^"]*+)*+)"'
        self._opening = re.compile(rf"{space}(?=\")")
        self._closed = re.compile(quoted)
        self._quoted = re.compile(quoted + space + end)
        self._plain = re.compile(rf"([^{mark}\r\n]*+){end}")

    def split(self, text: str) -> Cells:
        """The cells of a row, which may have several lines in a quoted cell.

        Raises UnclosedQuote and InvalidRow.
        """
        if QUOTE not in text:
            return Cells([cell.strip() for cell in text.split(self.separator)])
        values: list[str] = []
        quoted: set[int] = set()
        position = 0
        while True:
            found = self._quoted.match(text, position)
            if found:
                quoted.add(len(values))
                values.append(found[1].replace('""', QUOTE))
            else:
                self._check_plain(text, position)
                found = self._plain.match(text, position)
                assert found is not None
                values.append(found[1].strip())
            position = found.end()
            if found[2] != self.separator:
                return Cells(values, frozenset(quoted))

    def _check_plain(self, text: str, position: int) -> None:
        opening = self._opening.match(text, position)
        if opening and not self._closed.match(text, position):
            raise UnclosedQuote(opening.end())
        if opening:
            raise InvalidRow(f"the row is not valid CSV: something follows a closing quote, not {self.separator!r}")
