"""Requests that wait until keys are fetched: outside the slots, and not too many of them."""

import asyncio
from dataclasses import dataclass
from functools import partial

from app.documents.permissions import Caller
from app.web.auth.authentication import Authenticator
from app.web.auth.keys import wait_for_fetch
from app.web.load.admission import Admission, RejectionReason
from app.web.load.in_flight_requests import InFlightRequest
from app.web.load.queueing import Overloaded, wait_for_slot

MAX_WAITING = 100


@dataclass(slots=True)
class KeyQueue:
    """Verifies tokens that are not cached. While keys are fetched for a request, its slot is free for others."""

    waiting: int = 0

    async def authenticate(
        self, authenticator: Authenticator, authorization: bytes | None, request: InFlightRequest, admission: Admission
    ) -> Caller:
        """The caller. A request that has waited for keys acquires a slot again, now for its own site.

        Raises TokenRejected, ServiceUnavailable, or Overloaded.
        """
        caller = await authenticator.authenticate(authorization, partial(self._wait, request, admission))
        if request.slot_site is None:
            site = str(caller.site_id)
            if not admission.acquire(site):
                await wait_for_slot(admission, site)
            request.slot_site = site
        return caller

    async def _wait(
        self,
        request: InFlightRequest,
        admission: Admission,
        fetching: "asyncio.Task[None]",
        seconds: float | None,
    ) -> None:
        if self.waiting >= MAX_WAITING:
            admission.rejected[RejectionReason.KEYS_PENDING] += 1
            raise Overloaded
        if request.slot_site is not None:
            admission.release(request.slot_site)
            request.slot_site = None
        self.waiting += 1
        try:
            await wait_for_fetch(fetching, seconds)
        finally:
            self.waiting -= 1
