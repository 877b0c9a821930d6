"""How much the database was asked for one operation."""


class Tally:
    """The statements that were sent, and the rows that came back. One that is tried again is one statement."""

    __slots__ = ("rows", "statements")

    def __init__(self) -> None:
        self.statements = 0
        self.rows = 0
