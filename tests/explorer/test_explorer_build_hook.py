"""The build hook that brings GraphiQL's files, with stand-ins for npm and its packages."""

import hashlib
import io
import os
import pty
import shutil
import sys
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from app.web.explorer.build_hook import CHART, GRAPHIQL, Bundle, FilesUnavailable, VendorFile, bring_files

PROJECT = Path(__file__).parents[2]
ALL_FILES = (*GRAPHIQL.read_list(PROJECT), *CHART.read_list(PROJECT))
CONTENT = b"console.log('a stand-in')"
LICENCE = b"do what you like"


def make_file(member: str, content: bytes) -> VendorFile:
    return VendorFile("gadget", "1.2.3", member, member.rsplit("/", 1)[-1], hashlib.sha256(content).hexdigest())


FILES = (make_file("umd/gadget.min.js", CONTENT), make_file("LICENSE", LICENCE))


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    return tmp_path / "vendor"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH; empty, so that there is no npm in it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install_npm(programs: Path, archives: dict[str, bytes], *, exit_code: int = 0, complaint: str = "") -> Path:
    """Put an npm on PATH that writes `archives` where it runs; gives the file that it writes its arguments to."""
    calls = programs.parent / "calls.txt"
    stored = programs.parent / "archives"
    stored.mkdir(exist_ok=True)
    for name, content in archives.items():
        (stored / name).write_bytes(content)
    npm = programs / "npm"
    npm.write_text(
        f"#!{sys.executable}\n"
        "import shutil, sys\n"
        f"print(*sys.argv[1:], file=open({str(calls)!r}, 'a'))\n"
        f"shutil.copytree({str(stored)!r}, '.', dirs_exist_ok=True)\n"
        f"sys.exit({complaint!r} or {exit_code})\n"
    )
    npm.chmod(0o755)
    return calls


def pack(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def pack_gadget(script: bytes = CONTENT) -> dict[str, bytes]:
    return {"gadget-1.2.3.tgz": pack({"umd/gadget.min.js": script, "LICENSE": LICENCE, "other.js": b"unwanted"})}


def test_the_wanted_files_and_no_others_are_brought(vendor: Path, programs: Path) -> None:
    calls = install_npm(programs, pack_gadget())
    bring_files(vendor, FILES)

    assert {path.name: path.read_bytes() for path in vendor.iterdir()} == {"gadget.min.js": CONTENT, "LICENSE": LICENCE}
    assert calls.read_text().split()[0] == "pack"
    assert calls.read_text().split()[-1] == "gadget@1.2.3"
    assert "--ignore-scripts" in calls.read_text()


def test_files_that_are_there_are_not_fetched_again(vendor: Path, programs: Path) -> None:
    calls = install_npm(programs, pack_gadget())
    bring_files(vendor, FILES)
    bring_files(vendor, FILES)

    assert len(calls.read_text().splitlines()) == 1


def test_a_changed_file_is_replaced(vendor: Path, programs: Path) -> None:
    install_npm(programs, pack_gadget())
    bring_files(vendor, FILES)
    (vendor / "gadget.min.js").write_bytes(b"changed")
    bring_files(vendor, FILES)

    assert (vendor / "gadget.min.js").read_bytes() == CONTENT


def test_a_package_with_another_digest_is_refused_whole(vendor: Path, programs: Path) -> None:
    install_npm(programs, pack_gadget(script=b"something else"))

    with pytest.raises(FilesUnavailable, match=r"umd/gadget\.min\.js of gadget-1\.2\.3\.tgz is not the pinned file"):
        bring_files(vendor, FILES)
    assert not vendor.exists()


@pytest.mark.usefixtures("programs")
def test_a_changed_file_is_never_left_to_be_packaged(vendor: Path) -> None:
    vendor.mkdir()
    (vendor / "gadget.min.js").write_bytes(b"changed")
    (vendor / "LICENSE").write_bytes(LICENCE)

    with pytest.raises(FilesUnavailable, match="npm is not on PATH"):
        bring_files(vendor, FILES)
    assert [path.name for path in vendor.iterdir()] == ["LICENSE"]


def test_a_failing_npm_is_reported_in_its_own_first_words(vendor: Path, programs: Path) -> None:
    install_npm(programs, {}, complaint="npm error code ECONNREFUSED\nnpm error syscall connect")

    with pytest.raises(FilesUnavailable) as caught:
        bring_files(vendor, FILES)
    assert str(caught.value) == "npm pack failed: npm error code ECONNREFUSED"


@pytest.mark.parametrize(
    "archives",
    [{}, {"gadget-1.2.3.tgz": b"no archive"}, {"gadget-1.2.3.tgz": pack({"LICENSE": LICENCE})}],
    ids=["missing", "broken", "incomplete"],
)
def test_an_unusable_archive_is_one_line(vendor: Path, programs: Path, archives: dict[str, bytes]) -> None:
    install_npm(programs, archives)

    with pytest.raises(FilesUnavailable) as caught:
        bring_files(vendor, FILES)
    assert len(str(caught.value).splitlines()) == 1
    assert not vendor.exists()


def test_every_file_is_pinned_by_version_and_digest() -> None:
    assert len({file.name for file in ALL_FILES}) == len(ALL_FILES)
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in ALL_FILES)
    assert all(file.version.count(".") == 2 for file in ALL_FILES)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small copy of the project, from which hatchling builds the two pages alone."""
    root = tmp_path / "project"
    for folder in (GRAPHIQL.folder, CHART.folder):
        shutil.copytree(PROJECT / folder, root / folder, ignore=shutil.ignore_patterns("vendor", "__pycache__"))
    for name in ("pyproject.toml", ".gitignore", "LICENSE"):
        shutil.copy(PROJECT / name, root / name)
    (root / "README.md").write_text("A copy.")
    monkeypatch.chdir(root)
    return root


def build(root: Path) -> set[str]:
    """Build the wheel of the project at `root`, as pip does; gives the names of the pages' files in it."""
    name = build_wheel(str(root / "dist"))
    with zipfile.ZipFile(root / "dist" / name) as wheel:
        return {os.path.relpath(entry, "app/web") for entry in wheel.namelist() if entry.startswith("app/web/")}


@pytest.mark.usefixtures("programs")
def test_a_wheel_is_built_without_npm_and_says_what_is_missing(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = build(project)

    assert {
        "explorer/index.html",
        "explorer/init.js",
        "explorer/page.css",
        "explorer/icon.svg",
        "explorer/tabs/1-first-attendances.graphql",
        "explorer/graphiql_files.json",
        "start/index.html",
        "start/main.js",
        "start/page.css",
        "start/chart_files.json",
    } <= names
    assert not any("/vendor/" in name for name in names)
    said = capfd.readouterr()
    lines = [line for line in (said.out + said.err).splitlines() if line]
    assert lines == [
        "GraphiQL is not bundled, its page will load from a CDN: npm is not on PATH",
        "The chart is not bundled, the start page will show tables alone: npm is not on PATH",
    ]


@pytest.mark.usefixtures("programs")
def test_pip_tells_at_its_terminal_that_graphiql_is_not_bundled(project: Path) -> None:
    output = run_at_terminal(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", str(project)
    )

    assert list((project / "dist").glob("*.whl")), output
    assert "WARNING: GraphiQL is not bundled, its page will load from a CDN: npm is not on PATH." in output
    assert "WARNING: The chart is not bundled, the start page will show tables alone: npm is not on PATH." in output
    assert "Install again with npm on PATH" in output


def run_at_terminal(*command: str) -> str:
    """Run a command whose controlling terminal is one of its own; gives what that terminal shows."""
    process, terminal = pty.fork()
    if process == 0:
        os.execv(command[0], command)  # noqa: S606 - the test's own interpreter
    shown = b""
    with suppress(OSError):  # Linux ends the reading of a terminal that nobody holds any more with EIO.
        while part := os.read(terminal, 4096):
            shown += part
    os.waitpid(process, 0)
    os.close(terminal)
    return shown.decode()


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("bundle", [GRAPHIQL, CHART], ids=["graphiql", "chart"])
def test_a_wheel_holds_what_is_in_the_vendor_folder_though_git_ignores_it(project: Path, bundle: Bundle) -> None:
    vendor = project / bundle.folder / "vendor"
    vendor.mkdir()
    (vendor / "anything.js").write_bytes(CONTENT)

    assert f"{bundle.folder}/vendor/" in (project / ".gitignore").read_text()
    assert f"{bundle.folder.name}/vendor/anything.js" in build(project)
