"""Watches sites for changes: one poll of the revisions of all of them, and a look into each that has changed."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextvars import Context
from typing import Protocol
from uuid import UUID

from app.attendance.waiting import SiteWatch, Waiter
from app.database.pool import ReadsRows
from app.errors import ServiceError
from app.plan.changes import ChangesPlan, ChangesPosition
from app.plan.properties import Property
from app.sql.changes import render_changes

POLL_SECONDS = 0.25
# Writes that follow each other closer than this wake a site's followers together.
LOOK_SECONDS = 0.02
# When more has changed than this, all followers of the site are woken.
MOST_TOUCHED = 1000
TOUCHED_COLUMNS = (Property.ID, Property.BOOKING_ID, Property.SESSION_ID, Property.UPDATED_AT)

logger = logging.getLogger("attendance.changes")


class ReadsRevisions(ReadsRows, Protocol):
    """What reads the revisions of several sites, too."""

    async def read_revisions(self, known: Mapping[str, int]) -> dict[str, int]: ...


class ChangeWatch:
    """The sites that have followers in this process. It polls while there are any, and is told of its writes."""

    def __init__(self, database: ReadsRevisions) -> None:
        self._database = database
        self._sites: dict[UUID, SiteWatch] = {}
        self._polling: asyncio.Task[None] | None = None
        self._unserved: list[Waiter] = []

    def follow(self, site_id: UUID, revision: int) -> SiteWatch:
        """Watch a site for a follower that knows its changes up to this revision. It must leave at its end."""
        site = self._sites.get(site_id)
        if site is None:
            site = self._sites[site_id] = SiteWatch(site_id, revision)
        site.followers += 1
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll_until_left(), context=Context())  # in no caller's trace
        return site

    def leave(self, site: SiteWatch) -> None:
        """End what `follow` has begun."""
        site.followers -= 1
        if not site.followers:
            del self._sites[site.site_id]

    def wake(self, site_id: UUID) -> None:
        """Look soon for what has changed in a site, if it is watched."""
        site = self._sites.get(site_id)
        if site is None:
            return
        site.is_due = True
        if site.looking is None:
            site.looking = asyncio.create_task(self._look_while_due(site))

    def add_unserved(self, waiter: Waiter) -> None:
        """Set a future after the next poll that succeeds: when a follower found the database out of reach."""
        self._unserved.append(waiter)

    async def _poll_until_left(self) -> None:
        while self._sites:
            await asyncio.sleep(POLL_SECONDS)
            known = {site.name: site.revision for site in self._sites.values()}
            if known:
                await self._poll(known)
        self._polling = None

    async def _poll(self, known: Mapping[str, int]) -> None:
        begun = time.time()
        try:
            changed = await self._database.read_revisions(known)
        except ServiceError:
            return  # The database has logged it. Until it is back, followers wait.
        except Exception:
            logger.exception("the revisions of sites cannot be read")
            return
        for site in self._sites.values():
            if site.name not in changed:
                site.unchanged_at = begun
        for name in changed:
            self.wake(UUID(name))
        unserved, self._unserved = self._unserved, []
        for waiter in unserved:
            if not waiter.done():
                waiter.set_result(None)

    async def _look_while_due(self, site: SiteWatch) -> None:
        """Look again while a write has come in the meantime; a look that fails is made again after the next poll."""
        try:
            while site.is_due and site.followers:
                await asyncio.sleep(site.looked_at + LOOK_SECONDS - time.monotonic())
                site.is_due = False
                await self._look(site)
        except ServiceError:
            return
        except Exception:
            logger.exception("what has changed cannot be read")
        finally:
            site.looking = None

    async def _look(self, site: SiteWatch) -> None:
        """Find out whose bookings and sessions have changed, and wake their followers."""
        begun, site.looked_at = time.time(), time.monotonic()
        plan = ChangesPlan(None, ChangesPosition(site.revision), MOST_TOUCHED)
        text, arguments = render_changes(site.site_id, plan, TOUCHED_COLUMNS, all_deletions=True)
        rows = await self._database.read_rows(text, arguments, site.site_id)
        site.wake_touched(rows, is_whole=len(rows) <= MOST_TOUCHED, begun=begun)
