"""Counts the statements and rows of one operation."""


class QueryStatistics:
    """The number of statements sent and of rows returned. A statement that is retried counts once.

    `revision` is that of the site after the last write, 0 if nothing was written.
    """

    __slots__ = ("revision", "rows", "statements")

    def __init__(self) -> None:
        self.statements = 0
        self.rows = 0
        self.revision = 0
