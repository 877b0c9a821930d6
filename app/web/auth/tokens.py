"""Issues tokens for evaluation and scripts, where the service is configured with a secret."""

import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import jwt

from app.errors import ConfigurationError
from app.settings import Settings, check_secret
from app.web.auth.keys import SECRET_ALGORITHM

SECRET_FILE = "jwt-secret"  # noqa: S105 (the name of a file)
SECRET_BYTES = 32


def ensure_key(settings: Settings) -> Settings:
    """The settings with a key: the configured one, or a random secret stored in the data directory.

    Raises ConfigurationError for a configured database without a key, or if the secret cannot be stored.
    """
    if settings.has_key:
        return settings
    if settings.database_url is not None:
        raise ConfigurationError(
            "ATTENDANCE_DATABASE_URL is set but no key to verify tokens with: "
            "set one of ATTENDANCE_JWT_SECRET, ATTENDANCE_JWT_PUBLIC_KEY and ATTENDANCE_JWKS_URL"
        )
    return replace(settings, jwt_secret=load_secret(settings.data_dir / SECRET_FILE))


def load_secret(path: Path) -> str:
    """The secret in a file that only its owner can read. The file is created on first use."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES))
    except OSError as failure:
        raise ConfigurationError(
            f"the directory {path.parent} cannot be written: {failure.strerror or failure}; set "
            "ATTENDANCE_DATA_DIR to one that can, or ATTENDANCE_DATABASE_URL to a server"
        ) from failure
    try:
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        secret = path.read_text()
    except (OSError, ValueError) as failure:
        raise ConfigurationError(f"the secret for tokens cannot be stored in {path}: {failure}") from failure
    if not secret:
        raise ConfigurationError(f"the file {path} holds no secret: remove it, and a new one is made")
    return check_secret(secret, f"the secret in {path}")


def issue_token(settings: Settings, site_id: UUID, scopes: Iterable[str], *, hours: int) -> str:
    """A token for a site with these scopes, which expires after `hours`.

    Raises ConfigurationError without a secret: a public key cannot sign.
    """
    if settings.jwt_secret is None:
        raise ConfigurationError("tokens can be issued only with ATTENDANCE_JWT_SECRET; ask your identity provider")
    claims = {"site_id": str(site_id), "scope": " ".join(scopes), "exp": int(time.time() + hours * 3600)}
    optional = {"iss": settings.jwt_issuer, "aud": settings.jwt_audience}
    claims.update({name: value for name, value in optional.items() if value is not None})
    return jwt.encode(claims, settings.jwt_secret, SECRET_ALGORITHM)
