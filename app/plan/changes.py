"""Which changes to read: a batch of those that follow a position, in the order of each record's last change.

A position is a revision and an id. Its cursor is base64url of: version (1 byte), digest of the perspective (8 bytes),
the revision plus one (8 bytes), the id unless the position is the end of its revision (16 bytes), the revision at which
a copy began unless the position has passed it (8 bytes), and a checksum (4 bytes).
"""

from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zlib import crc32

from app.errors import CursorExpired, CursorInvalid, CursorMalformed, CursorMismatch
from app.plan.cursor import CHECKSUM_SIZE, CODECS_CACHED, HEAD_SIZE, VERSION, decode_text, digest_parts, encode_text
from app.plan.filter import Perspective
from app.plan.page import plan_size

MOST_CHANGES = 100
ARGUMENT = "after"
REVISION_SIZE, ID_SIZE = 8, 16
LARGEST_REVISION = 2**63 - 1
END_OF_REVISION = UUID(int=2**128 - 1)
MALFORMED = f"`{ARGUMENT}` is not a cursor of this service."
MISMATCH = f"`{ARGUMENT}` is not a cursor of the changes of this perspective."
BEGIN_AGAIN = "Begin again: ask without it for a full copy, and drop what the copy does not hold."
EXPIRED = f"`{ARGUMENT}` is older than the deletions that are kept, so some may be missing. {BEGIN_AGAIN}"

AHEAD = f"`{ARGUMENT}` is ahead of the site's changes: the database was restored as it was before. {BEGIN_AGAIN}"


class ChangesPosition(NamedTuple):
    """What has been read of a site's changes: those up to and including this revision and id.

    `copied_since` is the revision at which a copy began that has not reached it yet: whoever makes the copy does not
    know what was deleted before.
    """

    revision: int
    id: UUID = END_OF_REVISION
    copied_since: int = 0

    @property
    def whole_revision(self) -> int:
        """The last revision of which all changes have been read."""
        return self.revision if self.id == END_OF_REVISION else self.revision - 1


# Before the records that were written before there were revisions: these have the revision 0.
BEGINNING = ChangesPosition(-1)


class ChangesPlan(NamedTuple):
    """A batch of changes: at most `size` of those after a position, or of all. Without `perspective`: the whole site.

    With `begins_now` and no position, the batch is empty and its cursor is the site's last change.
    """

    perspective: Perspective | None
    after: ChangesPosition | None
    size: int
    begins_now: bool = False

    @property
    def row_limit(self) -> int:
        """One row more than the batch says whether there are more changes."""
        return 0 if self.begins_now and self.after is None else self.size + 1

    def check_position(self, site_revision: int, pruned_through: int) -> None:
        """Raise CursorExpired if the feed does not go on from the position.

        Deletions after it may be gone; those of one revision go together. Subscriptions and exports read the primary,
        so they are ahead of the site only if the database was restored as it was before.
        """
        after = self.after
        if after is None:
            return
        if pruned_through > max(after.whole_revision, after.copied_since):
            raise CursorExpired(EXPIRED, argument=ARGUMENT)
        if self.begins_now and after.revision > site_revision:
            raise CursorExpired(AHEAD, argument=ARGUMENT)

    def move_behind(self, last: tuple[int, UUID] | None, site_revision: int, *, has_more: bool) -> ChangesPosition:
        """The position behind a batch, whose last change this is; behind the site's last change if there are no more.

        It never goes back, even if a replica that lags has been read.
        """
        if not has_more:
            return ChangesPosition(max(site_revision, self.after.revision if self.after else 0))
        since = site_revision if self.after is None else self.after.copied_since
        revision, id_ = last or (self.after or BEGINNING)[:2]
        position = ChangesPosition(revision, id_)
        return position if position.whole_revision >= since else position._replace(copied_since=since)


class ChangesCodec(NamedTuple):
    """Encodes and decodes the cursors of the changes of one perspective."""

    head: bytes

    def encode(self, position: ChangesPosition) -> str:
        """The cursor of a position."""
        revision, id_, copied_since = position
        content = self.head + (revision + 1).to_bytes(REVISION_SIZE)
        if id_ != END_OF_REVISION:
            content += id_.bytes
        if copied_since:
            content += copied_since.to_bytes(REVISION_SIZE)
        return encode_text(content + crc32(content).to_bytes(CHECKSUM_SIZE)).rstrip("=")

    def decode(self, cursor: str) -> ChangesPosition:
        """The position that a cursor encodes.

        Raises CursorInvalid for a malformed cursor, and CursorMismatch for one of another perspective or of a page.
        """
        content = decode_text(cursor)
        if content is None:
            raise CursorMalformed(MALFORMED, argument=ARGUMENT)
        if content[:HEAD_SIZE] != self.head:
            raise CursorMismatch(MISMATCH, argument=ARGUMENT)
        position = decode_position(content[HEAD_SIZE:])
        if position is None or self.encode(position) != cursor:
            raise CursorInvalid(MALFORMED, argument=ARGUMENT)
        return position


def decode_position(content: bytes) -> ChangesPosition | None:
    """The position in the bytes of a cursor; None if they encode none. The checksum is no signature: any may come."""
    size = len(content)
    if size % REVISION_SIZE or not REVISION_SIZE <= size <= 2 * REVISION_SIZE + ID_SIZE:
        return None
    revision = int.from_bytes(content[:REVISION_SIZE]) - 1
    has_id, has_copy = size >= REVISION_SIZE + ID_SIZE, size % ID_SIZE == 0
    id_ = UUID(bytes=content[REVISION_SIZE : REVISION_SIZE + ID_SIZE]) if has_id else END_OF_REVISION
    copied_since = int.from_bytes(content[-REVISION_SIZE:]) if has_copy else 0
    if max(revision, copied_since) > LARGEST_REVISION:
        return None
    return ChangesPosition(revision, id_, copied_since)


@lru_cache(CODECS_CACHED)
def plan_changes_cursors(perspective: Perspective | None) -> ChangesCodec:
    """The codec for the cursors of the changes of a perspective."""
    of = [] if perspective is None else [perspective.of, str(perspective.value)]
    return ChangesCodec(VERSION + digest_parts(["changes", *of]))


def plan_changes(perspective: Perspective | None, after: str | None, first: int | None) -> ChangesPlan:
    """The batch that the arguments ask for.

    Raises BadUserInput for a size that is negative or above 100, CursorInvalid and CursorMismatch for an unusable
    cursor.
    """
    size = MOST_CHANGES if first is None else plan_size(first, None)[0]
    position = None if after is None else plan_changes_cursors(perspective).decode(after)
    return ChangesPlan(perspective, position, size)


def plan_stream(perspective: Perspective | None, after: str | None) -> ChangesPlan:
    """The first batch of a subscription: what has changed since a cursor, or the cursor of now. Raises as the above."""
    return plan_changes(perspective, after, None)._replace(begins_now=True)
