"""Hatch build hook: brings GraphiQL's published files into `vendor`, each checked against a pinned SHA-256.

The files come from `npm pack`, so they are the ones their authors published, and are not committed here. A machine
without npm or without a network still builds: the page then falls back to the one that Strawberry ships.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NPM_TIMEOUT_SECONDS = 180
NPM_PACK = ("pack", "--loglevel=error", "--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")


class VendorFile(NamedTuple):
    """One file of an npm package: where it lies in the package, what it is called here, and what it must hold."""

    package: str
    version: str
    member: str
    name: str
    sha256: str

    @property
    def archive(self) -> str:
        return f"{self.package}-{self.version}.tgz"


VENDOR_FILES = (
    VendorFile(
        "graphiql",
        "4.1.2",
        "graphiql.min.js",
        "graphiql.min.js",
        "867226ba8af5ce7949903fc53932f78dac9f4bfc6cc8da0fd3869b8bc6c5256b",
    ),
    VendorFile(
        "graphiql",
        "4.1.2",
        "graphiql.min.css",
        "graphiql.min.css",
        "30487e07635d312a63f647b140d37740a73c53332b0975bf4b1fe985ca6ec885",
    ),
    VendorFile(
        "graphiql",
        "4.1.2",
        "LICENSE",
        "graphiql.LICENSE.txt",
        "4b18fbe55c4e8f9169cb702be138f4d858a2dad920c39857204ffdc9c1c9fdc4",
    ),
    VendorFile(
        "react",
        "18.3.1",
        "umd/react.production.min.js",
        "react.production.min.js",
        "d949f1c3687aedadcedac85261865f29b17cd273997e7f6b2bfc53b2f9d4c4dd",
    ),
    VendorFile(
        "react-dom",
        "18.3.1",
        "umd/react-dom.production.min.js",
        "react-dom.production.min.js",
        "35f4f974f4b2bcd44da73963347f8952e341f83909e4498227d4e26b98f66f0d",
    ),
    VendorFile(
        "react",
        "18.3.1",
        "LICENSE",
        "react.LICENSE.txt",
        "52412d7bc7ce4157ea628bbaacb8829e0a9cb3c58f57f99176126bc8cf2bfc85",
    ),
)


class FilesUnavailable(Exception):
    """GraphiQL's files could not be brought; the message says why, in one line."""


class ExplorerFilesHook(BuildHookInterface[Any]):
    """What hatchling runs before it builds a wheel, editable ones included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002, hatchling's signature
        vendor = Path(self.root, "app", "web", "explorer", "vendor")
        try:
            bring_files(vendor)
        except FilesUnavailable as reason:
            self.app.display_warning(f"GraphiQL is not bundled, its page will load from a CDN: {reason}")


def bring_files(vendor: Path, files: Sequence[VendorFile] = VENDOR_FILES) -> None:
    """Make `vendor` hold all of `files` with the pinned digests; nothing is fetched when it already does.

    A file with another digest is removed first, so that none is ever packaged. Raises FilesUnavailable when npm is
    missing, fails, or gives something else than what is pinned; then no new file is written.
    """
    if all(is_genuine(vendor / file.name, file.sha256) for file in files):
        return
    try:
        remove_strangers(vendor, files)
        with tempfile.TemporaryDirectory() as folder:
            pack_packages(Path(folder), files)
            contents = {file.name: read_packed(Path(folder), file) for file in files}
        write_files(vendor, contents)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise FilesUnavailable(f"{type(error).__name__}: {error}") from error


def is_genuine(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def remove_strangers(vendor: Path, files: Sequence[VendorFile]) -> None:
    for file in files:
        if not is_genuine(vendor / file.name, file.sha256):
            (vendor / file.name).unlink(missing_ok=True)


def pack_packages(folder: Path, files: Sequence[VendorFile]) -> None:
    """Have npm put the archive of each package into `folder`. Raises FilesUnavailable with npm's last words."""
    npm = shutil.which("npm")
    if npm is None:
        raise FilesUnavailable("npm is not on PATH")
    packages = sorted({f"{file.package}@{file.version}" for file in files})
    try:
        subprocess.run(
            [npm, *NPM_PACK, *packages],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=NPM_TIMEOUT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout or "").strip().splitlines() or [f"exit code {error.returncode}"]
        raise FilesUnavailable(f"npm pack failed: {words[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise FilesUnavailable(f"npm pack took longer than {NPM_TIMEOUT_SECONDS} s") from error


def read_packed(folder: Path, file: VendorFile) -> bytes:
    """The file's content out of its package's archive. Raises FilesUnavailable unless it has the pinned digest."""
    with tarfile.open(folder / file.archive, "r:gz") as archive:
        member = archive.extractfile(f"package/{file.member}")
        content = member.read() if member else b""
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise FilesUnavailable(f"{file.member} of {file.archive} is not the pinned file, its SHA-256 differs")
    return content


def write_files(vendor: Path, contents: dict[str, bytes]) -> None:
    """Each file appears whole or not at all, also when two builds run at once."""
    vendor.mkdir(exist_ok=True)
    for name, content in contents.items():
        part = vendor / f".{name}.{os.getpid()}"
        part.write_bytes(content)
        part.replace(vendor / name)
