"""What no answer may show: SQL, a stack, a path, a driver's words, or a name from the code."""

import re

LEAKS = {
    "a stack": re.compile(r"Traceback|\bline \d+, in |File \\?\"|During handling"),
    "SQL": re.compile(r"\b(SELECT|INSERT INTO|DELETE FROM|WHERE|LIMIT|ORDER BY|ON CONFLICT|UNNEST|LATERAL)\b|\$\d"),
    "the database": re.compile(
        r"asyncpg|postgres|SQLSTATE|relation \W|column \W|constraint|syntax error at|invalid byte|invalid input syntax"
        r"|(?<!`)site_id|attendance_service|row-level|pg_|current_setting|connection refused|(?:\d{1,3}\.){3}\d{1,3}",
        re.IGNORECASE,
    ),
    "a path": re.compile(
        r"/(?:usr|home|root|tmp|var|opt|srv|work|app|proc|etc)/|[\w/]\.py\b|site-packages|__pycache__"
    ),
    "a name from the code": re.compile(
        r"\b(?:Type|Value|Key|Index|Attribute|Assertion|Unicode\w*|Recursion|Runtime|Memory|OS|JSONDecode|Name)Error\b"
        r"|<class|<function|object at 0x|NoneType|\bNone\b|\bUUID\(|\bdict\b|\bstr\b|bytes-like|coroutine|asyncio"
        r"|strawberry|starlette|uvicorn|graphql.core|orjson|pyjwt|hypothesis|builtins|__main__|_Undefined"
    ),
}


def find_leaks(text: str, sent: str = "") -> list[str]:
    """What an answer shows that it must not, and that was not sent."""
    return [
        f"{kind}: {found[0]}"
        for kind, pattern in LEAKS.items()
        for found in pattern.finditer(text)
        if found[0] not in sent
    ]
