"""Hatch build hook: fetches the published files of the pages into `vendor`, and checks each one's SHA-256.

graphiql_files.json and chart_files.json list the files and their digests. They come from `npm pack`, so they are those
that their authors published. They are not committed. The package builds without npm and without a network, too:
GraphiQL's page then loads the same files from a CDN, and the start page has no chart.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import suppress
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


class Bundle(NamedTuple):
    """A page's folder, which list in it names its files, and what is true of the page without them."""

    folder: Path
    list_name: str
    loss: str

    def read_list(self, root: Path) -> tuple[VendorFile, ...]:
        pins = json.loads((root / self.folder / self.list_name).read_text(encoding="utf-8"))
        return tuple(VendorFile(**pin) for pin in pins)


GRAPHIQL = Bundle(
    Path("app/web/explorer"), "graphiql_files.json", "GraphiQL is not bundled, its page will load from a CDN"
)
CHART = Bundle(
    Path("app/web/start"), "chart_files.json", "The chart is not bundled, the start page will show tables alone"
)


class FilesUnavailable(Exception):
    """A page's files could not be brought; the message says why, in one line."""


class ExplorerFilesHook(BuildHookInterface[Any]):
    """What hatchling runs before it builds a wheel, editable ones included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002, hatchling's signature
        root = Path(self.root)
        for bundle in (GRAPHIQL, CHART):
            try:
                bring_files(root / bundle.folder / "vendor", bundle.read_list(root))
            except FilesUnavailable as reason:
                warning = f"{bundle.loss}: {reason}"
                self.app.display_warning(warning)
                write_to_terminal(f"\nWARNING: {warning}. Install again with npm on PATH to bundle it.\n")


def write_to_terminal(text: str) -> None:
    """Write to the terminal of this process, if it has one: pip hides what a build prints unless the build fails."""
    with suppress(OSError), Path("/dev/tty").open("w", encoding="utf-8") as terminal:
        terminal.write(text)


def bring_files(vendor: Path, files: Sequence[VendorFile]) -> None:
    """Make `vendor` hold all of `files` with the pinned digests; nothing is fetched when it already does.

    A file with another digest is removed first, so that none is ever packaged. Raises FilesUnavailable when npm is
    missing, fails, or gives something else than what is pinned; then no new file is written.
    """
    if all(is_genuine(vendor / file.name, file.sha256) for file in files):
        return
    try:
        for file in files:
            if not is_genuine(vendor / file.name, file.sha256):
                (vendor / file.name).unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            pack_packages(Path(folder), files)
            contents = {file.name: read_packed(Path(folder), file) for file in files}
        write_files(vendor, contents)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise FilesUnavailable(f"{type(error).__name__}: {error}") from error


def is_genuine(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


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
