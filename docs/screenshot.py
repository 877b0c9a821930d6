"""Takes docs/pages.png: the start page beside GraphiQL with a query and its answer. `python docs/screenshot.py [URL]`.

Without a URL it starts `attendance demo` for the time of the picture. Needs the `browser` extra and a Chromium:
ATTENDANCE_BROWSER names it, else it is looked for on PATH.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

PICTURE = Path(__file__).with_name("pages.png")
WINDOW = ViewportSize(width=960, height=800)
MARGIN_PIXELS = 16
PICTURE_SIZE = ViewportSize(width=2 * WINDOW["width"] + MARGIN_PIXELS, height=WINDOW["height"])
START_SECONDS = 60
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def main(arguments: list[str]) -> None:
    if arguments:
        take_picture(arguments[0])
        return
    with run_demo() as url:
        take_picture(url)


@contextmanager
def run_demo() -> Iterator[str]:
    """GraphiQL's address while `attendance demo` runs on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = shutil.which("attendance", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if command is None:
        sys.exit("the attendance command is not installed: pip install .")
    demo = subprocess.Popen([command, "demo", "--port", str(port)])
    try:
        url = f"http://127.0.0.1:{port}/graphql"
        wait_until_answered(url, demo)
        yield url
    finally:
        demo.terminate()
        demo.wait()


def wait_until_answered(url: str, demo: "subprocess.Popen[bytes]") -> None:
    """Return once the page answers. Exits when the demo ends before, or takes longer than START_SECONDS."""
    request = urllib.request.Request(url, headers={"Accept": "text/html"})  # noqa: S310, always http
    for _ in range(START_SECONDS * 10):
        if demo.poll() is not None:
            sys.exit(f"attendance demo ended with exit code {demo.returncode}")
        try:
            urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"{url} did not answer in {START_SECONDS} s")


def take_picture(url: str) -> None:
    """Show both pages in a browser and save what is to be seen, side by side. `url` is GraphiQL's address."""
    chromium = os.environ.get("ATTENDANCE_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        pictures = [show_absences(browser, url.removesuffix("graphql")), show_answer(browser, url)]
        tags = "".join(f'<img src="data:image/png;base64,{b64encode(picture).decode()}">' for picture in pictures)
        page = browser.new_page(viewport=PICTURE_SIZE)
        page.set_content(f'<body style="margin: 0; display: flex; justify-content: space-between">{tags}</body>')
        page.screenshot(path=PICTURE, omit_background=True)
        browser.close()
    print(PICTURE)


def show_absences(browser: Browser, url: str) -> bytes:
    page = browser.new_page(viewport=WINDOW, color_scheme="light")
    page.goto(f"{url}#absences")
    expect(page.locator("tbody tr").first).to_be_visible()
    return page.screenshot()


def show_answer(browser: Browser, url: str) -> bytes:
    page = browser.new_page(viewport=WINDOW, color_scheme="light")
    page.goto(url)
    page.click(".graphiql-execute-button")
    expect(page.locator(".result-window")).to_contain_text('"data"')
    page.mouse.move(WINDOW["width"] / 2, WINDOW["height"] - 2)
    page.wait_for_load_state("networkidle")
    return page.screenshot()


if __name__ == "__main__":
    main(sys.argv[1:])
