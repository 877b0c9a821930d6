"""The report of a run: the tables of docs/performance.md, with how they were taken."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from statistics import median

from benchmarks.delivery import render_delivery
from benchmarks.measuring import CONNECTIONS, Ratio, Round, compare_rounds, summarise
from benchmarks.observing import GOAL as OBSERVING_GOAL
from benchmarks.observing import ObservingLine
from benchmarks.peers import PEERS, PeerLine
from benchmarks.pool import BARE, PoolLine
from benchmarks.running import DeepLine, Line, RefusedLine, Results
from benchmarks.stages import StageColumn
from benchmarks.transfer import RECORDS, TransferLine
from benchmarks.writers import render_writers

DEEP_GOAL = 1.15
INTRODUCTION = """# Performance

Written by `python -m benchmarks`. Times on shared machines lie, processor time does not: the figure to look at is the
**server's processor time a request**, user and system together, beside that of a hand-written endpoint in the same run:
plain ASGI, asyncpg and orjson, the same records, without GraphQL, tokens, row security and limits, and without any
code of the service. The service runs with everything on that production has. Before a case is measured, both answer one
request of it for each site, and their data must be equal but for their cursors, which the endpoint makes as one would
by hand. Each is one process under `uvicorn`; the load comes from another process over {connections} connections. That
is more than the smaller pool has connections to Postgres, and fewer than the larger one has. The database holds
{records:,} records of 4 sites.

Each cell: the service / the hand-written endpoint, the median of {rounds} rounds, in which both take many short turns,
after a round that isn't counted. The ratio is the median of the rounds' ratios, beside the least and the largest.

"""
TABLE = """| case | pool | server ms | ratio | least to largest | goal | Postgres ms | requests/s | p50 ms | p99 ms |
|---|---|---|---|---|---|---|---|---|---|
"""
DEEP = """
## Deep pages

What a page costs at rank {rank:,} of its order, beside the first page, as processor milliseconds of server and
Postgres together. Each cell: the service / the hand-written keyset statement. All four are measured in the same rounds.

| order | first page | page at rank {rank:,} | deep / first | least to largest | goal | hand-written deep / first |
|---|---|---|---|---|---|---|
"""
REFUSED = """
## Arguments that are refused

What the service takes to refuse an argument, beside what it takes for one record, in the same rounds.

| argument | refused ms | record ms | ratio | least to largest | goal |
|---|---|---|---|---|---|
"""
TRANSFER = """
## Import and export

{records:,} records, beside `COPY` of the same records into the same table with its indexes:

| transfer | seconds | ratio | most memory, MB |
|---|---|---|---|
"""
OBSERVING = """
## What observing costs

What metrics and log add to a page of 50, as processor time of the service's process without HTTP.

| observed by | µs a page | µs to observe it | share | goal |
|---|---|---|---|---|
"""
POOL = """
## What the pool costs

Processor time of the service's process for the shortest statement, which one caller sends again and again.

| sent by | µs a statement | more than the driver |
|---|---|---|
"""
STAGES = """
## Where the microseconds of a request go

Processor time of the service's process in each stage of a request, from the bytes of HTTP to those of the answer,
without the kernel's part of the client's socket. A hand-written endpoint has the first stage, the driver, the writing
and the event loop as well.

"""
PEERS_HEAD = """
## Other GraphQL servers

Server's processor milliseconds a request, and their ratio to the hand-written endpoint's, of servers that answer the
same from the same database: Mercurius with its just-in-time compiler by the hand-written statements, with and without
what the service does beside them (tokens, row security, counts and a line of the log), and PostGraphile by its own
schema, without any of that. Their versions stand below
`benchmarks/peers`.

"""
CONDITIONS = """
## How the figures were taken

"""


def render_report(
    results: Results, conditions: Iterable[str], records: int, rounds: int, peers: Sequence[PeerLine] = ()
) -> str:
    report = INTRODUCTION.format(connections=CONNECTIONS, rounds=rounds, records=records)
    if results.lines:
        report += TABLE + "".join(map(render_line, results.lines))
    if results.lines or results.refused_lines:
        report += render_verdict(results)
    if results.refused_lines:
        report += REFUSED + "".join(map(render_refused_line, results.refused_lines))
    if results.deep_lines:
        report += DEEP.format(rank=results.sample.rank) + "".join(map(render_deep_line, results.deep_lines))
    report += render_transfer(results.transfer)
    report += render_observing(results.observing) + render_pool(results.pool) + render_stages(results.stages)
    report += render_delivery(results.delivery) + render_writers(results.writers) + render_peers(peers)
    return report + CONDITIONS + "".join(f"- {condition}\n" for condition in conditions)


def render_line(line: Line) -> str:
    service, plain = summarise(line.service), summarise(line.plain)
    return render_row(
        line.case.title,
        str(line.pool_size),
        render_pair(service.server_cpu, plain.server_cpu, ".3f"),
        *render_ratio(line.ratio),
        "" if line.case.goal is None else f"{line.case.goal:.2f}",
        render_pair(service.postgres_cpu, plain.postgres_cpu, ".3f"),
        render_pair(service.rate, plain.rate, ",.0f"),
        render_pair(service.p50, plain.p50, ".1f"),
        render_pair(service.p99, plain.p99, ".1f"),
    )


def render_refused_line(line: RefusedLine) -> str:
    return render_row(
        line.case.title,
        f"{summarise(line.refused).server_cpu:.3f}",
        f"{summarise(line.beside).server_cpu:.3f}",
        *render_ratio(line.ratio),
        f"{line.case.goal:.2f}",
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


def render_observing(lines: Sequence[ObservingLine]) -> str:
    if not lines:
        return ""
    rows = (
        render_row(
            line.title, f"{line.page:.0f}", f"{line.observing:.1f}", f"**{line.share:.1%}**", f"{OBSERVING_GOAL:.0%}"
        )
        for line in lines
    )
    return OBSERVING + "".join(rows)


def render_pool(lines: Sequence[PoolLine]) -> str:
    if not lines:
        return ""
    bare = next(line.median for line in lines if line.title == BARE)
    rows = (render_row(line.title, f"{line.median:.1f}", f"{line.median - bare:+.1f}") for line in lines)
    return POOL + "".join(rows)


def render_stages(columns: Sequence[StageColumn]) -> str:
    if not columns:
        return ""
    rows = [render_row(stage, *(f"{each.stages[stage]:.1f}" for each in columns)) for stage in columns[0].stages]
    head = render_row("stage, µs", *(each.title for each in columns)) + f"|{'---|' * (len(columns) + 1)}\n"
    return STAGES + head + "".join(rows) + render_row("**all**", *(f"**{each.total:.1f}**" for each in columns))


def render_peers(lines: Sequence[PeerLine]) -> str:
    if not lines:
        return ""
    rows = (render_row(line.case.title, str(line.pool_size), *map(partial(render_peer, line), PEERS)) for line in lines)
    return PEERS_HEAD + render_row("case", "pool", *PEERS) + f"|{'---|' * (len(PEERS) + 2)}\n" + "".join(rows)


def render_peer(line: PeerLine, name: str) -> str:
    """Processor milliseconds of a server, and their ratio to those of the hand-written endpoint."""
    if name not in line.rounds:
        return ""
    own = [each.server_cpu for each in line.rounds[name]]
    ratio = compare_rounds(own, [each.server_cpu for each in line.plain])
    return f"{median(own):.3f}, **{ratio.median:.2f}**"


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
            yield f"{line.case.title}, pool of {line.pool_size}: {line.ratio.median:.3f}"
    for refused_line in results.refused_lines:
        if refused_line.ratio.median > refused_line.case.goal:
            yield f"{refused_line.case.title}, beside one record: {refused_line.ratio.median:.3f}"
    for deep_line in results.deep_lines:
        if deep_line.ratio.median > DEEP_GOAL:
            yield f"{deep_line.deep.case.title}, beside the first page: {deep_line.ratio.median:.3f}"


def render_transfer(lines: Sequence[TransferLine]) -> str:
    if not lines:
        return ""
    rows = (
        render_row(
            line.title,
            f"{line.seconds:.1f}",
            f"{line.ratio:.2f}" if line.ratio else "",
            f"{line.megabytes:.0f}" if line.megabytes else "",
        )
        for line in lines
    )
    return TRANSFER.format(records=RECORDS) + "".join(rows)
