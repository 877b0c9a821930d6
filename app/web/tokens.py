"""Tokens that the service signs itself, for trying it out and for scripts, where it is configured by a secret."""

import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import jwt

from app.errors import ConfigurationError
from app.settings import Settings
from app.web.keys import SECRET_ALGORITHM

SECRET_FILE = "jwt-secret"  # noqa: S105 (the name of a file)
SECRET_BYTES = 32


def ensure_key(settings: Settings) -> Settings:
    """The settings with a key: the configured one, or a random secret kept in the data directory.

    Raises ConfigurationError for a real database without a key, and where the secret cannot be kept.
    """
    if settings.has_key:
        return settings
    if settings.database_url is not None:
        raise ConfigurationError(
            "ATTENDANCE_DATABASE_URL is set but no key to verify tokens with: "
            "set one of ATTENDANCE_JWT_SECRET, ATTENDANCE_JWT_PUBLIC_KEY and ATTENDANCE_JWKS_URL"
        )
    return replace(settings, jwt_secret=keep_secret(settings.data_dir / SECRET_FILE))


def keep_secret(path: Path) -> str:
    """The secret in a file that only its owner can read, made on first use."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        secret = path.read_text()
    except (OSError, ValueError) as failure:
        raise ConfigurationError(f"the secret for tokens cannot be kept in {path}: {failure}") from failure
    if not secret:
        raise ConfigurationError(f"the file {path} holds no secret: remove it, and a new one is made")
    return secret


def issue_token(settings: Settings, site_id: UUID, scopes: Iterable[str], *, hours: int) -> str:
    """A token for a site with these scopes, valid for so many hours from now.

    Raises ConfigurationError where the service verifies by a public key, for then it cannot sign.
    """
    if settings.jwt_secret is None:
        raise ConfigurationError("tokens can be issued only with ATTENDANCE_JWT_SECRET; ask your identity provider")
    claims = {"site_id": str(site_id), "scope": " ".join(scopes), "exp": int(time.time() + hours * 3600)}
    given = {"iss": settings.jwt_issuer, "aud": settings.jwt_audience}
    claims.update({name: value for name, value in given.items() if value is not None})
    return jwt.encode(claims, settings.jwt_secret, SECRET_ALGORITHM)
