"""Splits the text of one CSV row into its cells: quoted cells are kept as they are, the others are trimmed."""

import re
from collections.abc import Sequence
from operator import add
from typing import NamedTuple

QUOTE = '"'
# The pattern of a whole row grows with the columns; a row of more of them is matched cell by cell.
MOST_MATCHED_COLUMNS = 100


class Cells(NamedTuple):
    """The cells of a row; `quoted` has the texts of those that were quoted at their positions, and "" at the others.

    Without any quote, `quoted` is empty.
    """

    values: list[str]
    quoted: Sequence[str] = ()

    def is_quoted(self, position: int) -> bool:
        """Whether a cell that is not empty was quoted."""
        return bool(self.quoted and self.quoted[position])


class UnclosedQuote(Exception):
    """A quoted cell that does not end in the text; `offset` is that of its opening quote."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class InvalidRow(Exception):
    """A row that is not valid CSV; the message says why."""


class RowSplitter:
    """Splits rows at one separator. The csv module does not report which cells were quoted, or where a quote opens.

    Rows of the given number of columns are split faster, unless a quoted cell has a quote in it or spaces around it, or
    an unquoted one has a space.
    """

    def __init__(self, separator: str, columns: int = 0) -> None:
        self.separator = separator
        mark = re.escape(separator)
        space = rf"[^\S\r\n{mark}]*"
        end = rf"({mark}|\r\n|\r|\n|\Z)"
        quoted = rf'{space}"([^"]*+(?:""[^"]*+)*+)"'
        self._opening = re.compile(rf"{space}(?=\")")
        self._closed = re.compile(quoted)
        self._quoted = re.compile(quoted + space + end)
        self._plain = re.compile(rf"([^{mark}\r\n]*+){end}")
        simple_cells = [rf'(?:"([^"]*+)"|([^\s"{mark}]*+))'] * (columns if columns <= MOST_MATCHED_COLUMNS else 0)
        self._simple_row = re.compile(mark.join(simple_cells) + r"(?:\r\n?|\n)?")

    def split(self, text: str) -> Cells:
        """The cells of a row, which may have several lines in a quoted cell.

        Raises UnclosedQuote and InvalidRow.
        """
        if QUOTE not in text:
            return Cells([cell.strip() for cell in text.split(self.separator)])
        if found := self._simple_row.fullmatch(text):
            cells = found.groups("")  # Two for each: its text if it is quoted, and if not.
            return Cells(list(map(add, cells[::2], cells[1::2])), cells[::2])
        return self._split_by_cell(text)

    def _split_by_cell(self, text: str) -> Cells:
        values: list[str] = []
        quoted: list[str] = []
        position = 0
        while True:
            found = self._quoted.match(text, position)
            if found:
                quoted.append(found[1].replace('""', QUOTE))
                values.append(quoted[-1])
            else:
                self._check_plain(text, position)
                found = self._plain.match(text, position)
                assert found is not None
                quoted.append("")
                values.append(found[1].strip())
            position = found.end()
            if found[2] != self.separator:
                return Cells(values, quoted)

    def _check_plain(self, text: str, position: int) -> None:
        opening = self._opening.match(text, position)
        if opening and not self._closed.match(text, position):
            raise UnclosedQuote(opening.end())
        if opening:
            raise InvalidRow(f"the row is not valid CSV: something follows a closing quote, not {self.separator!r}")
