"""The report of a run: the table of docs/performance.md, with how it was taken."""

from collections.abc import Sequence

from benchmarks.measuring import CONNECTIONS, Line, Round
from benchmarks.transfer import RECORDS, TransferLine

INTRODUCTION = """# Performance

Written by `python -m benchmarks`. Times on shared machines lie, processor time does not: the figure to look at is the
**server's processor time a request**, user and system together, beside that of a hand-written endpoint in the same run:
plain ASGI, asyncpg and orjson, the same rows and bytes, without GraphQL, tokens, row security and limits. The service
runs with all of them. Both are one process under `uvicorn`; the load comes from another process over {connections}
connections. {rounds} rounds of each in turn, after one that isn't counted; medians. The database holds {records:,}
records of 4 sites.

Each cell: the service / the hand-written endpoint.

| case | server ms | ratio | Postgres ms | requests/s | p50 ms | p99 ms |
|---|---|---|---|---|---|---|
"""
TRANSFER = """
Import and export of {records:,} records, beside `COPY` of the same records into the same table with its indexes:

| transfer | seconds | ratio |
|---|---|---|
"""


def render_report(lines: Sequence[Line], transfer: Sequence[TransferLine], records: int, rounds: int) -> str:
    report = INTRODUCTION.format(connections=CONNECTIONS, rounds=rounds, records=records)
    report += "".join(render_line(line.case.title, line.service, line.plain, line.ratio) for line in lines)
    if transfer:
        report += TRANSFER.format(records=RECORDS)
        report += "".join(f"| {line.title} | {line.seconds:.1f} | {line.ratio:.2f} |\n" for line in transfer)
    return report


def render_line(title: str, service: Round, plain: Round, ratio: float) -> str:
    figures = (
        f"{service.server_cpu:.2f} / {plain.server_cpu:.2f}",
        f"**{ratio:.2f}**",
        f"{service.postgres_cpu:.2f} / {plain.postgres_cpu:.2f}",
        f"{service.rate:,.0f} / {plain.rate:,.0f}",
        f"{service.p50:.1f} / {plain.p50:.1f}",
        f"{service.p99:.1f} / {plain.p99:.1f}",
    )
    return f"| {title} | {' | '.join(figures)} |\n"
