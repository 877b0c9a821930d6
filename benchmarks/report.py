"""The report of a run: the tables of docs/performance.md, with how they were taken."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from benchmarks.measuring import CONNECTIONS, Ratio, Round, summarise
from benchmarks.running import DeepLine, Line, Results
from benchmarks.transfer import RECORDS, TransferLine

DEEP_GOAL = 1.15
INTRODUCTION = """# Performance

Written by `python -m benchmarks`. Times on shared machines lie, processor time does not: the figure to look at is the
**server's processor time a request**, user and system together, beside that of a hand-written endpoint in the same run:
plain ASGI, asyncpg and orjson, the same rows and bytes, without GraphQL, tokens, row security and limits. The service
runs with everything on that production has. Before a case is measured, both answer one request of it, and their data
must be equal, cursors too. Each is one process under `uvicorn`; the load comes from another process over
{connections} connections. The database holds {records:,} records of 4 sites.

Each cell: the service / the hand-written endpoint, the median of {rounds} rounds, in which both take many short turns,
after a round that isn't counted. The ratio is the median of the rounds' ratios, beside the least and the largest.

"""
TABLE = """| case | server ms | ratio | least to largest | goal | Postgres ms | requests/s | p50 ms | p99 ms |
|---|---|---|---|---|---|---|---|---|
"""
DEEP = """
## Deep pages

What a page costs at rank {rank:,} of its order, beside the first page, as processor milliseconds of server and
Postgres together. Each cell: the service / the hand-written keyset statement. All four are measured in the same rounds.

| order | first page | page at rank {rank:,} | deep / first | least to largest | goal | hand-written deep / first |
|---|---|---|---|---|---|---|
"""
TRANSFER = """
## Import and export

{records:,} records, beside `COPY` of the same records into the same table with its indexes:

| transfer | seconds | ratio |
|---|---|---|
"""
CONDITIONS = """
## How the figures were taken

"""


def render_report(results: Results, conditions: Iterable[str], records: int, rounds: int) -> str:
    report = INTRODUCTION.format(connections=CONNECTIONS, rounds=rounds, records=records)
    if results.lines:
        report += TABLE + "".join(map(render_line, results.lines)) + render_verdict(results)
    if results.deep_lines:
        report += DEEP.format(rank=results.sample.rank) + "".join(map(render_deep_line, results.deep_lines))
    report += render_transfer(results.transfer)
    return report + CONDITIONS + "".join(f"- {condition}\n" for condition in conditions)


def render_line(line: Line) -> str:
    service, plain = summarise(line.service), summarise(line.plain)
    return render_row(
        line.case.title,
        render_pair(service.server_cpu, plain.server_cpu, ".3f"),
        *render_ratio(line.ratio),
        "" if line.case.goal is None else f"{line.case.goal:.2f}",
        render_pair(service.postgres_cpu, plain.postgres_cpu, ".3f"),
        render_pair(service.rate, plain.rate, ",.0f"),
        render_pair(service.p50, plain.p50, ".1f"),
        render_pair(service.p99, plain.p99, ".1f"),
    )


def render_deep_line(line: DeepLine) -> str:
    return render_row(
        f"`{line.order}`",
        render_sums(line.first),
        render_sums(line.deep),
        *render_ratio(line.ratio),
        f"{DEEP_GOAL:.2f}",
        f"{line.plain_ratio.median:.2f}",
    )


def render_sums(line: Line) -> str:
    return render_pair(total_of(line.service), total_of(line.plain), ".3f")


def total_of(rounds: Sequence[Round]) -> float:
    return median(each.cpu for each in rounds)


def render_ratio(ratio: Ratio) -> tuple[str, str]:
    return f"**{ratio.median:.2f}**", f"{ratio.least:.2f} to {ratio.most:.2f}"


def render_pair(service: float, plain: float, form: str) -> str:
    return f"{service:{form}} / {plain:{form}}"


def render_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def render_verdict(results: Results) -> str:
    """Which goals are missed."""
    missed = [f"- {each}\n" for each in list_missed(results)]
    return f"\nAbove the goal:\n\n{''.join(missed)}" if missed else "\nEvery goal is met.\n"


def list_missed(results: Results) -> Iterator[str]:
    for line in results.lines:
        if line.case.goal is not None and line.ratio.median > line.case.goal:
            yield f"{line.case.title}: {line.ratio.median:.3f}"
    for deep_line in results.deep_lines:
        if deep_line.ratio.median > DEEP_GOAL:
            yield f"{deep_line.deep.case.title}, beside the first page: {deep_line.ratio.median:.3f}"


def render_transfer(lines: Sequence[TransferLine]) -> str:
    if not lines:
        return ""
    rows = (render_row(line.title, f"{line.seconds:.1f}", f"{line.ratio:.2f}") for line in lines)
    return TRANSFER.format(records=RECORDS) + "".join(rows)
