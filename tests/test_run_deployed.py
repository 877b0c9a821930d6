"""How `tests.run_deployed` reads what it is given, and which databases the service then uses."""

from collections.abc import Callable

import pytest

from tests.run_deployed import SERVERS, read_arguments
from tests.support.given_servers import find_replica_url, find_service_url

OWNER = "postgresql://postgres@primary:5432/postgres"
DATABASE = "postgresql://postgres@primary:5432/attendance_test_7"
REPLICA, POOLER = "postgresql://replica/any", "postgresql://pooler/any"

Give = Callable[..., None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Sets the arguments, and the settings of the servers that are named."""

    def set_all(*arguments: str, **servers: str) -> None:
        monkeypatch.setattr("sys.argv", ["run_deployed", *arguments])
        for name, (setting, _) in SERVERS.items():
            monkeypatch.delenv(setting, raising=False)
            if name in servers:
                monkeypatch.setenv(setting, servers[name])

    return set_all


def read() -> tuple[str, str | None, str | None, list[str]]:
    given = read_arguments()
    return given.url, given.service, given.replica, given.rest


def test_the_servers_are_arguments_and_what_is_left_is_for_pytest(give: Give) -> None:
    give(OWNER, "--replica", REPLICA, "--service", POOLER, "--", "-x", "tests/a", url=DATABASE, replica=DATABASE)
    assert read() == (OWNER, POOLER, REPLICA, ["-x", "tests/a"])
    give(OWNER)
    assert read() == (OWNER, None, None, [])


def test_without_arguments_the_settings_name_them(give: Give) -> None:
    give("tests/a", url=OWNER, service=POOLER, replica=REPLICA)
    assert read() == (OWNER, POOLER, REPLICA, ["tests/a"])


def test_without_a_server_it_refuses(give: Give, capsys: pytest.CaptureFixture[str]) -> None:
    give("tests/a", replica=REPLICA)
    with pytest.raises(SystemExit):
        read()
    assert "name a server: by an argument, or by ATTENDANCE_TEST_DATABASE_URL" in capsys.readouterr().err


def test_the_service_uses_the_same_database_of_the_other_servers(give: Give) -> None:
    give(url=OWNER)
    assert (find_service_url(DATABASE), find_replica_url(DATABASE)) == (DATABASE, None)
    replicas = "postgresql://postgres@replica-1,replica-2/any?sslmode=disable"
    give(url=OWNER, service="postgresql://attendance_service@pooler:6432/any", replica=replicas)
    assert find_service_url(DATABASE) == "postgresql://attendance_service@pooler:6432/attendance_test_7"
    assert find_replica_url(DATABASE) == "postgresql://postgres@replica-1,replica-2/attendance_test_7?sslmode=disable"


def test_a_server_of_a_tests_own_has_neither(give: Give) -> None:
    own = "postgresql://postgres@/postgres?host=/tmp/own"
    give(url=OWNER, service=POOLER, replica=REPLICA)
    assert (find_service_url(own), find_replica_url(own)) == (own, None)
    give(service=POOLER, replica=REPLICA)
    assert (find_service_url(OWNER), find_replica_url(OWNER)) == (OWNER, None)
