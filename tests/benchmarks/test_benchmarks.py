"""The benchmarks compare like with like, and say what they have seen."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from prometheus_client import values

from app.settings import Settings, load_settings
from benchmarks import delivery, observing, pool, stages, writers
from benchmarks.__main__ import FEWEST_RECORDS, main
from benchmarks.cases import REQUESTS_APART, list_cases, list_deep_cases, make_item, refused_case
from benchmarks.data import Sample, fill_database
from benchmarks.delivery import DeliveryLine
from benchmarks.measuring import Round, measure_probes
from benchmarks.observing import ObservingLine, measure_observing
from benchmarks.pool import BARE, PoolLine, measure_pools
from benchmarks.processes import count_used, list_family, read_cpu, write_environment
from benchmarks.report import render_report
from benchmarks.running import GROUPS, SECRET, DeepLine, Line, RefusedLine, Results, Stand, make_token, run_stand
from benchmarks.stage_clock import STAGES
from benchmarks.stages import measure_stages
from benchmarks.statements import KEYSETS
from benchmarks.verifying import fetch_data
from benchmarks.writers import WritersLine

SAMPLE = Sample("", ("",) * 1000, 200_000, dict.fromkeys(KEYSETS, "cursor"), dict.fromkeys(KEYSETS, "cursor"))


@pytest.fixture(scope="module")
async def sample_and_stand(
    create_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Sample, Stand]]:
    url = create_database()
    sample = await fill_database(url, FEWEST_RECORDS)
    settings = Settings(database_url=url, data_dir=tmp_path_factory.mktemp("benchmarks"), jwt_secret=SECRET)
    with run_stand(settings, rounds=1) as stand:
        yield sample, stand


def test_the_service_and_the_hand_written_endpoint_answer_every_case_alike(
    sample_and_stand: tuple[Sample, Stand],
) -> None:
    sample, stand = sample_and_stand
    deep_cases = list_deep_cases(sample)
    assert len(deep_cases) == 6
    pages = [page for deep in deep_cases for page in (deep.first, deep.deep)]
    for case in [*list_cases(sample), *pages]:
        stand.verify_case(case)


def test_the_hand_written_endpoint_has_no_code_of_the_service() -> None:
    loaded = "import sys, benchmarks.baseline\nprint([name for name in sys.modules if name.split('.')[0] == 'app'])"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout == b"[]\n"


def test_each_group_is_a_case_of_its_own() -> None:
    assert {case.name for case in list_cases(SAMPLE)} == set(GROUPS) - {
        "deep",
        "refused",
        "transfer",
        "observing",
        "pool",
        "stages",
        "delivery",
        "writers",
    }


def test_every_other_single_set_changes_what_an_earlier_one_has_made() -> None:
    sample = replace(SAMPLE, booking_ids=("a", "b", "c"))
    made = [make_item(sample, number) for number in range(200)]
    keys = [(item["bookingId"], item["sessionId"]) for item in made]
    assert len(set(keys[::2])) == 100
    assert all(key in keys[:number] for number, key in enumerate(keys) if number % 2 and number > REQUESTS_APART)


def test_a_refused_argument_is_measured_beside_one_record(sample_and_stand: tuple[Sample, Stand]) -> None:
    sample, stand = sample_and_stand
    case = refused_case(sample)
    refused, record = measure_probes(stand.verify_refused_case(case), 100, stand.list_backends, rounds=1)
    assert refused[0].postgres_cpu < record[0].postgres_cpu
    for wrong in (
        replace(case, argument="last"),
        replace(case, make_operation=case.beside.make_operation),
        replace(case, make_operation=lambda _: {"query": "{ nothing }"}),
    ):
        with pytest.raises(RuntimeError, match="service/graphql: "):
            stand.verify_refused_case(wrong)


def test_a_deep_page_begins_behind_the_record_at_its_rank(sample_and_stand: tuple[Sample, Stand]) -> None:
    sample, stand = sample_and_stand
    by_id = next(deep for deep in list_deep_cases(sample) if deep.order == "ID_ASC")
    service, _ = stand.verify_case(by_id.deep)
    first_of_page = fetch_data(service)["attendances"]["edges"][0]["node"]["id"]
    assert sample.rank == FEWEST_RECORDS // 4 * 4 // 5
    # Ids are spread evenly, so that a rank is found again in them.
    assert int(first_of_page[:8], 16) / 2**32 == pytest.approx(0.8, abs=0.02)


def test_an_answer_that_differs_ends_the_run(sample_and_stand: tuple[Sample, Stand]) -> None:
    sample, stand = sample_and_stand
    (record,) = (case for case in list_cases(sample) if case.name == "record")
    (page,) = (case for case in list_cases(sample) if case.name == "page")
    with pytest.raises(RuntimeError, match="2 records were expected"):
        stand.verify_case(replace(record, records=2))
    with pytest.raises(RuntimeError, match="hand-written does not answer what service does"):
        stand.verify_case(replace(page, make_plain=lambda _: {"order": "STATUS_ASC"}))


def test_a_round_counts_what_each_server_has_used(sample_and_stand: tuple[Sample, Stand]) -> None:
    sample, stand = sample_and_stand
    (page,) = (case for case in list_cases(sample) if case.name == "page")
    service, plain = measure_probes(stand.verify_case(page), 100, stand.list_backends, rounds=2)
    assert len(service) == len(plain) == 2
    for each in (*service, *plain):
        assert 0.01 < each.server_cpu < 100
        assert 0 < each.postgres_cpu < 100
        assert each.p50 <= each.p99


def test_an_answer_with_errors_ends_the_measuring(sample_and_stand: tuple[Sample, Stand]) -> None:
    sample, stand = sample_and_stand
    (page,) = (case for case in list_cases(sample) if case.name == "page")
    service, _ = stand.verify_case(page)
    broken = replace(service, make_body=lambda _: {"query": "{ nothing }"})
    with pytest.raises(RuntimeError, match="answered by an error"):
        measure_probes([broken], 10, stand.list_backends, rounds=1)
    with pytest.raises(RuntimeError, match="answered without an error"):
        measure_probes([replace(service, argument="first")], 10, stand.list_backends, rounds=1)


def test_what_observing_costs_is_part_of_the_page(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "TURNS_A_ROUND", 1)
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)  # What is shared counts elsewhere from then on.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    settings = Settings(database_url=database_url, data_dir=tmp_path, jwt_secret=SECRET)
    lines = measure_observing(settings, make_token(settings), rounds=1)
    assert len(lines) == 3
    assert all(0 < line.observing < line.page for line in lines)
    assert (tmp_path / "observing.log").read_bytes().count(b"\n") == 2 * observing.PAGES_A_TURN


def test_each_way_to_send_a_statement_is_measured(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "TURNS_A_ROUND", 2)
    monkeypatch.setattr(pool, "STATEMENTS_A_TURN", 10)
    lines = measure_pools(database_url, rounds=2)
    assert lines[0].title == BARE
    assert [len(line.microseconds) for line in lines] == [2] * 5
    assert all(line.median > 0 for line in lines)


def test_deliveries_are_measured_on_both_processes(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SETS", 10)
    monkeypatch.setattr(delivery, "CROWD", 20)
    settings = Settings(database_url=database_url, data_dir=tmp_path, jwt_secret=SECRET)
    lines = delivery.measure_delivery(settings, make_token(settings))
    assert [len(line.milliseconds) for line in lines] == [10, 10, 2, 2]
    assert all(0 < line.median <= line.p95 < delivery.WAIT_SECONDS * 1000 for line in lines)


def test_a_writer_is_measured_alone_beside_other_sites_and_beside_one(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "TURNS", 2)
    monkeypatch.setattr(writers, "TURN_SECONDS", 0.2)
    settings = Settings(database_url=database_url, data_dir=tmp_path, jwt_secret=SECRET)
    alone, beside_others, beside_one = writers.measure_writers(
        settings, [make_token(settings, uuid4()) for _ in range(9)]
    )
    assert all(milliseconds > 0 for line in (alone, beside_others, beside_one) for milliseconds in line.milliseconds)
    assert alone.rates == [0, 0]
    assert all(rate > 0 for line in (beside_others, beside_one) for rate in line.rates)


def test_processor_time_is_that_of_a_process_and_all_below_it() -> None:
    child = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ntime.sleep(60)"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        family = list_family(process.pid)
        assert len(family) == 2
        used = read_cpu(family)
        assert 0.28 < used[family[1]] < 10
        assert 0 < used[family[0]] < 0.28
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert read_cpu([process.pid]) == {process.pid: 0}


def test_a_process_that_has_ended_takes_nothing_from_the_others() -> None:
    own = read_cpu([os.getpid()])[os.getpid()]
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert count_used({os.getpid(): own - 1, ended.pid: 5.0}) == pytest.approx(1, abs=0.2)


def test_an_unknown_group_is_refused_with_the_names_of_all() -> None:
    outcome = CliRunner().invoke(main, ["--only", "pages"])
    assert outcome.exit_code == 2
    assert all(f"'{group}'" in outcome.output for group in GROUPS)


def test_the_report_names_goals_and_those_that_are_missed() -> None:
    page = next(case for case in list_cases(SAMPLE) if case.name == "page")
    deep = next(deep for deep in list_deep_cases(SAMPLE) if deep.order == "ID_ASC")
    one, two = [make_round(1.0), make_round(2.0), make_round(4.0)], [make_round(1.0)] * 3
    lines = [Line(page, 10, one, two)]
    deep_lines = [DeepLine("ID_ASC", Line(deep.first, 10, two, two), Line(deep.deep, 10, one, two))]
    refused_lines = [RefusedLine(refused_case(SAMPLE), one, two)]
    results = Results(SAMPLE, lines, refused_lines, deep_lines, [])
    report = render_report(results, ["a condition"], records=1000, rounds=3)
    assert "| page of 50 | 10 | 2.000 / 1.000 | **2.00** | 1.00 to 4.00 | 1.10 |" in report
    assert "| `first: 101` | 2.000 | 1.000 | **2.00** | 1.00 to 4.00 | 1.50 |" in report
    assert "| `ID_ASC` | 2.000 / 2.000 | 4.000 / 2.000 | **2.00** | 1.00 to 4.00 | 1.15 | 1.00 |" in report
    assert (
        "Above the goal:\n\n- page of 50, pool of 10: 2.000\n- `first: 101`, beside one record: 2.000\n"
        "- page at rank 200,000 by ID_ASC, beside the first page: 2.000\n" in report
    )
    assert "- a condition\n" in report
    assert "observing" not in report
    beside = [ObservingLine("metrics", page=100.0, observing=2.5)]
    pools = [PoolLine(BARE, [10.0, 12.0, 14.0]), PoolLine("a pool", [38.0, 39.0, 41.0])]
    report = render_report(Results(SAMPLE, [], [], [], [], beside, pools), [], records=1000, rounds=3)
    assert "| metrics | 100 | 2.5 | **2.5%** | 3% |" in report
    assert "| a pool | 39.0 | +27.0 |" in report
    deliveries = [DeliveryLine("a stream", [10.0, 20.0, 60.0], goal=50)]
    report = render_report(Results(SAMPLE, [], [], [], [], delivery=deliveries), [], records=1000, rounds=3)
    assert "| a stream | **20** | 56 | 60 | 50 |" in report
    beside_writers = [WritersLine("8 writers", [1.0, 2.0, 9.0], [500.0, 1400.0, 1500.0], goal="as quick")]
    report = render_report(Results(SAMPLE, [], [], [], [], writers=beside_writers), [], records=1000, rounds=3)
    assert "| 8 writers | **2.0** | 1,400 | as quick |" in report
    kept = render_report(Results(SAMPLE, [Line(page, 10, two, two)], [], [], []), [], records=1000, rounds=3)
    assert "Every goal is met." in kept


def make_round(cpu: float) -> Round:
    """As much time of the server as of Postgres."""
    return Round(server_cpu=cpu, postgres_cpu=cpu, rate=1.0, p50=1.0, p99=1.0)


def test_each_stage_of_a_request_is_measured(
    sample_and_stand: tuple[Sample, Stand], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample, _ = sample_and_stand
    monkeypatch.setattr(stages, "TURNS_A_ROUND", 1)
    monkeypatch.setattr(stages, "REQUESTS_A_TURN", 20)
    settings = Settings(database_url=database_url, data_dir=tmp_path, jwt_secret=SECRET)
    cases = [case for case in list_cases(sample) if case.name == "record"]
    [column] = measure_stages(settings, cases, make_token(settings), rounds=1)
    assert [stage for stage in STAGES if column.stages[stage] <= 0] == []
    assert sum(column.stages.values()) == pytest.approx(column.total)
    report = render_report(Results(SAMPLE, [], [], [], [], stages=[column]), [], records=1000, rounds=3)
    assert f"| driver | {column.stages['driver']:.1f} |" in report


def test_the_servers_get_the_settings() -> None:
    settings = Settings(
        database_url="postgresql://user@db/data",
        data_dir=Path("/var/lib/attendance"),
        jwt_public_key="-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n",
        jwt_audience="attendance",
        pool_size=3,
        row_security=False,
        introspection=True,
        explorer=False,
        explorer_token="token",
        max_body_bytes=1000,
        cors_origins="https://app.example https://other.example",
    )
    assert load_settings(write_environment(settings)) == settings
