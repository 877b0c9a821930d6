"""The connections that are in use, and how many of them each site holds."""

from uuid import UUID

from app.database.connection import SiteConnection


class Leases:
    """Which connections are in use; `held` counts them by their borrowers' sites, None for the service itself."""

    def __init__(self) -> None:
        self.in_use: set[SiteConnection] = set()
        self.held: dict[UUID | None, int] = {}
        self.total = 0

    def begin(self, connection: SiteConnection, site_id: UUID | None) -> None:
        connection.leased_to = site_id
        self.in_use.add(connection)
        self.held[site_id] = self.held.get(site_id, 0) + 1
        self.total += 1

    def end(self, connection: SiteConnection) -> None:
        """End the lease of a connection. One that is new, or that was released already, has none."""
        if connection not in self.in_use:
            return
        self.in_use.remove(connection)
        site_id = connection.leased_to
        held = self.held.pop(site_id) - 1
        if held:
            self.held[site_id] = held
