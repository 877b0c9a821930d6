"""What callers are told when something is refused, and that it gives nothing away."""

import re
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.support.service import GraphQLClient

INTERNALS = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|asyncpg|graphql-core|strawberry|PostgresError|SQLSTATE|Errno|0x[0-9a-f]{6}"
    r"|\bSELECT\b|\bFROM \"|\bWHERE\b|\$[0-9]|site_id|attendance_service|/tmp/|<class|object at",
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The one error of an answer: its code, the argument that it names, and what it says."""

    code: str
    argument: str | None
    message: str

    @property
    def place(self) -> tuple[str, str | None]:
        return self.code, self.argument


def read_refusal(answer: httpx2.Response) -> Refusal:
    """The one error of an answer that holds no data and nothing internal."""
    assert INTERNALS.search(answer.text) is None, answer.text
    content: dict[str, Any] = answer.json()
    assert not any((content.get("data") or {}).values()), content
    [error] = content["errors"]
    assert error.keys() <= {"message", "locations", "path", "extensions"}, error
    assert error["extensions"].keys() <= {"code", "argument"}, error
    return Refusal(error["extensions"]["code"], error["extensions"].get("argument"), error["message"])


async def refuse(client: GraphQLClient, query: str, **variables: Any) -> Refusal:
    """Send an operation that is to be refused."""
    return read_refusal(await client.post(query, variables))
