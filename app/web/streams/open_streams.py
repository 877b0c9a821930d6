"""A stream on its connection."""

from app.operations.change_stream import ChangeStream
from app.web.load.connections import StreamConnection


class OpenStream:
    """The events of a stream, and its place on its connection. Whoever opens it closes it.

    A stream that `owns` its connection ends when the connection is lost.
    """

    __slots__ = ("_connection", "_is_counted", "events")

    def __init__(self, events: ChangeStream, connection: StreamConnection, *, owns: bool) -> None:
        self.events = events
        self._connection = connection
        self._is_counted = True
        connection.begin_stream(events.close if owns else None)

    def close(self) -> None:
        self.events.close()
        self._leave_connection()

    def check_end(self) -> bool:
        """Whether the stream has ended. Then its client has to read what is left of it, like any response."""
        if self.events.end_reason is None:
            return False
        self._leave_connection()
        return True

    def _leave_connection(self) -> None:
        if self._is_counted:
            self._is_counted = False
            self._connection.end_stream()
