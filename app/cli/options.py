"""Options that several commands share."""

from typing import Any
from uuid import UUID

import click

from app.errors import BadUserInput
from app.plan.properties import parse_guid


class Guid(click.ParamType[UUID]):
    """A GUID in its canonical form."""

    name = "GUID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        try:
            return value if isinstance(value, UUID) else parse_guid(value, "--site")
        except BadUserInput:
            self.fail(f"{value!r} is not a GUID", param, ctx)


SITE = click.option("--site", "site_id", type=Guid(), required=True, help="GUID of the site.")
