"""The URL of a database takes what libpq takes: passed on, mapped, dropped without harm, or refused by name."""

import ssl
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from app import database_files
from app.database.connector import Connector
from app.database_url import parse_database_url
from app.errors import ConfigurationError
from app.settings import load_settings
from tests.support.commands import run_command
from tests.support.key_server import certify

NAME = "ATTENDANCE_DATABASE_URL"
BASE = "postgresql://user:secret@one:5432/data"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def parse(query: str) -> dict[str, str]:
    """The parameters that are left."""
    url = load_settings({NAME: f"{BASE}?{query}"}).database_url
    assert url is not None
    assert url.partition("?")[0] == BASE
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query, strict_parsing="?" in url).items()}


@pytest.mark.parametrize(
    "url",
    [
        BASE,
        "postgres:///data",
        "postgresql://user:p%40ss%2F@one,two:5433/data?target_session_attrs=read-write",
        "postgresql://user@/data?host=/run/one,/run/two&port=1,2",
        "postgresql://user@%2Frun%2Fone/data",
        f"{BASE}?sslmode=require&options=-c%20search_path%3Dapp",
    ],
)
def test_what_the_driver_takes_stays_as_it_is(url: str) -> None:
    assert load_settings({NAME: url}).database_url == url
    assert load_settings({NAME: BASE, "ATTENDANCE_REPLICA_URL": url}).replica_url == url


@pytest.mark.parametrize(
    "query",
    [
        "connect_timeout=10",
        "connect_timeout=-1",
        "connect_timeout=%2010%20",
        "keepalives=0",
        "keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3",
        "tcp_user_timeout=5000",
        "channel_binding=prefer",
        "channel_binding=disable",
        "gssencmode=prefer",
        "gssencmode=disable",
        "load_balance_hosts=disable",
        "load_balance_hosts=random",
        "client_encoding=UTF8",
        "sslsni=1&sslcompression=0&sslcertmode=allow",
        "fallback_application_name=psql",
        "sslmode=&options=",
        "&",
    ],
)
def test_what_changes_nothing_is_dropped(query: str) -> None:
    assert parse(query) == {}
    assert parse(f"{query}&sslmode=disable") == {"sslmode": "disable"}


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("ssl=true", {"sslmode": "require"}),
        ("ssl=true&sslmode=verify-ca", {"sslmode": "verify-ca"}),
        ("sslmode=disable&sslmode=require", {"sslmode": "require"}),
        ("sslmode=require&", {"sslmode": "require"}),
        ("password=a+b%20c%26d", {"password": "a+b c&d"}),
        ("sslmode=require&sslnegotiation=direct", {"sslmode": "require", "sslnegotiation": "direct"}),
    ],
)
def test_what_libpq_says_otherwise_is_mapped(query: str, kept: dict[str, str]) -> None:
    assert parse(query) == kept


def test_the_certificates_of_the_system_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certify(RSA).public_bytes(Encoding.PEM))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: type("Paths", (), {"cafile": None}))
    monkeypatch.setattr(database_files, "SYSTEM_CERTIFICATES", (str(tmp_path / "nothing"), str(bundle)))
    expected = {"sslrootcert": str(bundle), "sslmode": "verify-full"}
    assert parse("sslrootcert=system") == parse("sslmode=verify-full&sslrootcert=system") == expected
    monkeypatch.setattr(database_files, "SYSTEM_CERTIFICATES", ())
    with pytest.raises(ConfigurationError, match=f"{NAME}: sslrootcert=system finds no certificates"):
        parse("sslrootcert=system")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("postgresql://user:p%40@one/data?port=5433", "postgresql://user:p%40@/data?host=one&port=5433"),
        ("postgresql://one:1/data?port=2", "postgresql:///data?host=one&port=2"),
        ("postgresql://user@one,two/data?port=5433", "postgresql://user@/data?host=one,two&port=5433"),
        ("postgresql://user@one:1,two/data?port=3,4", "postgresql://user@/data?host=one,two&port=3,4"),
        ("postgresql://user@[::1]:1/data?port=2", "postgresql://user@/data?host=%5B::1%5D&port=2"),
        ("postgresql://user@one:1/data?host=/run/two", "postgresql://user@/data?host=/run/two&port=1"),
        ("postgresql://user@one:1,two:2/data?host=three,four", "postgresql://user@/data?host=three,four&port=1,2"),
        ("postgresql://user@%2Frun%2Fone/data?port=2", "postgresql://user@/data?host=/run/one&port=2"),
    ],
)
def test_hosts_and_ports_of_parameters_count_before_those_of_the_authority(url: str, same: str) -> None:
    assert load_settings({NAME: url}).database_url == same
    assert load_settings({NAME: same}).database_url == same


def test_hosts_are_tried_in_a_random_order_each_with_its_own_port() -> None:
    for url, hosts in (
        ("postgresql://user@one:1,two:2,three:3/data?load_balance_hosts=random", "netloc"),
        ("postgresql://user@/data?host=one,two,three&port=1,2,3&load_balance_hosts=random", "query"),
    ):
        firsts: Counter[tuple[str | None, int | None]] = Counter()
        for _ in range(60):
            addresses = Connector(parse_database_url(url, NAME), role=None, statement_seconds=5).addresses
            found = [(address.host, address.port) for address in addresses]
            assert sorted(found) == [("one", 1), ("three", 3), ("two", 2)], hosts
            firsts[found[0]] += 1
        assert len(firsts) == 3


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("channel_binding=require", "channel_binding"),
        ("gssencmode=require", "gssencmode"),
        ("load_balance_hosts=maybe", "load_balance_hosts"),
        ("connect_timeout=soon", "connect_timeout"),
        ("keepalives_idle=1.5", "keepalives_idle"),
        ("sslmode=on", "sslmode"),
        ("sslmode=Require", "sslmode"),
        ("sslnegotiation=direct", "sslnegotiation"),
        ("sslnegotiation=none&sslmode=require", "sslnegotiation"),
        ("target_session_attrs=writable", "target_session_attrs"),
        ("ssl_min_protocol_version=SSLv3", "ssl_min_protocol_version"),
        ("sslrootcert=/no/such/file", "sslrootcert"),
        ("sslcert=/no/such/file", "sslcert"),
        ("sslrootcert=/etc/passwd&sslmode=verify-ca", "sslrootcert"),
        ("sslrootcert=/etc&sslmode=verify-ca", "sslrootcert"),
        ("sslcrl=/etc/passwd&sslmode=require", "sslcrl"),
        ("sslcert=/etc/passwd&sslkey=/etc/passwd&sslmode=require", "sslcert and sslkey"),
        ("gsslib=kerberos", "gsslib"),
        ("sslrootcert=system&sslmode=require", "sslrootcert"),
        ("hostaddr=127.0.0.1", "hostaddr"),
        ("requirepeer=postgres", "requirepeer"),
        ("require_auth=scram-sha-256", "require_auth"),
        ("sslcrldir=/tmp", "sslcrldir"),
        ("client_encoding=LATIN1", "client_encoding"),
        ("replication=database", "replication"),
        ("ssl=yes", "ssl"),
        ("sslmod=require", "sslmod"),
        ("statement_timeout=5", "statement_timeout"),
        ("port=0", "port"),
        ("port=5432,5433", "port"),
        ("port=http", "port"),
        ("sslmode", "without a value"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(query: str, name: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(query)
    assert str(refused.value).startswith(NAME)
    assert name in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PGSSLMODE", "on"),
        ("PGSSLNEGOTIATION", "none"),
        ("PGSSLMINPROTOCOLVERSION", "SSLv3"),
        ("PGTARGETSESSIONATTRS", "writable"),
        ("PGCHANNELBINDING", "require"),
        ("PGREQUIREAUTH", "scram-sha-256"),
        ("PGREQUIREPEER", "postgres"),
        ("PGGSSENCMODE", "require"),
        ("PGSSLCERTMODE", "require"),
        ("PGGSSLIB", "kerberos"),
        ("PGPORT", "http"),
        ("PGSERVICE", "nothing"),
    ],
)
def test_a_variable_that_completes_the_url_is_refused_by_name(variable: str, value: str) -> None:
    url = "postgresql://user@one/data"
    for urls in ({NAME: url}, {NAME: f"{BASE}?sslmode=require", "ATTENDANCE_REPLICA_URL": "postgresql:///data"}):
        with pytest.raises(ConfigurationError, match=f"^{variable}\\b"):
            load_settings({**urls, variable: value})
    assert load_settings({"HOME": "/home/someone", variable: value}).database_url is None


def test_a_variable_counts_only_where_the_url_does_not_say_otherwise() -> None:
    url = f"{BASE}?sslmode=disable&target_session_attrs=any"
    variables = {"PGSSLMODE": "on", "PGTARGETSESSIONATTRS": "writable", "PGCHANNELBINDING": "prefer", "PGPORT": "http"}
    assert load_settings({NAME: url, **variables, "PGOPTIONS": "-c x=y", "PGSSLKEY": ""}).database_url == url


def test_white_space_around_a_url_is_no_part_of_it() -> None:
    assert load_settings({NAME: f" {BASE} \n"}).database_url == BASE


def test_a_service_has_to_be_defined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSERVICEFILE", raising=False)
    (tmp_path / "empty").touch()
    (tmp_path / "other").write_text("[main]\nhost=one\npassword=a%b\n")
    (tmp_path / "broken").write_text("no section")
    with pytest.raises(ConfigurationError, match="the service main is not defined in "):
        parse("service=main")
    for name, message in (("empty", "the service main is not defined in "), ("broken", "cannot be read")):
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / name))
        with pytest.raises(ConfigurationError, match=message):
            parse("service=main")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "other"))
    assert parse("service=main") == {"service": "main"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://one/data",
        "postgresql://one:0/data",
        "postgresql://one:70000/data",
        "postgresql://one,,two/data",
        "postgresql://user:a#b@one/data",
        "postgresql://[::1/data",
        "host=one dbname=data",
    ],
)
def test_what_is_no_url_of_a_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=NAME):
        load_settings({NAME: url})


def test_a_parameter_that_cannot_be_kept_ends_the_start_with_exit_code_2(tmp_path: Path) -> None:
    for command in ("serve", "migrate"):
        done = run_command(tmp_path, command, DATABASE_URL=f"{BASE}?channel_binding=require", JWT_SECRET="x" * 32)
        assert done.returncode == 2
        assert "channel_binding" in done.stderr
        assert done.stdout == ""


async def test_the_driver_connects_by_what_is_left(database_url: str) -> None:
    url = f"{database_url}&connect_timeout=10&gssencmode=prefer&keepalives=1&channel_binding=prefer&sslsni=1"
    connection = await asyncpg.connect(parse_database_url(url, NAME))
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
