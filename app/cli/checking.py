"""The command that reports whether the settings, the keys and the database are right."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterator, Sequence

import click

from app.cli.databases import provide_database
from app.database.diagnosis import Diagnosis, diagnose_primary, diagnose_totals
from app.database.replica_diagnosis import diagnose_replicas
from app.errors import ConfigurationError, ServiceError
from app.settings import Settings, load_settings
from app.web.auth.keys import build_key_source
from app.web.auth.tokens import ensure_key

AFTER_SETTINGS = ("keys", "database", "role", "migrations", "workers", "clock", "replica")
AFTER_DATABASE = AFTER_SETTINGS[2:]


@click.command()
@click.option("--totals", is_flag=True, help="Also compare the totals of all sites with their records: reads them all.")
def check(*, totals: bool) -> None:
    """Report line by line whether settings, keys, database, role, migrations, workers, clock and replica are right.

    The exit code is 0 when all of them are, and 1 when one is not.
    """
    logging.getLogger("attendance").setLevel(logging.CRITICAL)  # The lines below say what is wrong.
    is_right = True
    for diagnosis in diagnose(totals=totals):
        click.echo(format_line(diagnosis))
        is_right = is_right and diagnosis.is_checked and diagnosis.trouble is None
    sys.exit(0 if is_right else 1)


def diagnose(*, totals: bool) -> Iterator[Diagnosis]:
    """Check one subject after another. A subject that depends on a wrong one is not checked."""
    try:
        settings = load_settings(os.environ)
    except ConfigurationError as failure:
        yield Diagnosis("settings", trouble=str(failure))
        yield from skip(AFTER_SETTINGS)
        return
    is_embedded = settings.database_url is None
    yield Diagnosis("settings", "for development, with an embedded Postgres" if is_embedded else "")
    yield diagnose_keys(settings)
    try:
        with provide_database(settings) as provided:
            assert provided.database_url is not None
            url, row_security, distributed = provided.database_url, provided.row_security, provided.distributed
            yield from asyncio.run(diagnose_primary(url, row_security=row_security, distributed=distributed))
            max_lag = provided.replica_max_lag
            yield from asyncio.run(
                diagnose_replicas(provided.replica_url, url, row_security=row_security, max_lag=max_lag)
            )
            if totals:
                yield asyncio.run(diagnose_totals(url))
    except ConfigurationError as failure:
        yield Diagnosis("database", trouble=str(failure))
        yield from skip(AFTER_DATABASE)


def diagnose_keys(settings: Settings) -> Diagnosis:
    """Check that tokens can be verified; a key set is fetched."""
    try:
        given = ensure_key(settings)
        source = build_key_source(given)
        if given.jwks_url is not None:
            asyncio.run(source.find_keys(None, None))
    except (ConfigurationError, ServiceError) as failure:
        return Diagnosis("keys", trouble=str(failure))
    if given.jwks_url is not None:
        return Diagnosis("keys", "a key set, which can be fetched")
    return Diagnosis("keys", "a public key" if given.jwt_public_key is not None else "a shared secret")


def skip(subjects: Sequence[str]) -> list[Diagnosis]:
    return [Diagnosis(subject, is_checked=False) for subject in subjects]


def format_line(diagnosis: Diagnosis) -> str:
    if not diagnosis.is_checked:
        state, text = "not checked", ""
    elif diagnosis.trouble is None:
        state, text = "ok", diagnosis.detail
    else:
        state, text = "wrong", " ".join(diagnosis.trouble.split())
    return f"{diagnosis.subject:<12}{state}{': ' if text else ''}{text}"
