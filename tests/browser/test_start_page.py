"""The start page in a real browser: its views with the demo's data, and two windows that see each other's marks.

Every test also fails on any error in a window's console, such as a breach of the Content-Security-Policy, and on any
request to another host.
"""

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import httpx2
import pytest

from tests.browser.chromium import require_browser

require_browser()

from playwright.sync_api import expect  # noqa: E402, after the skip

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Request, Route

VIEWS = ("check-in", "absences", "overview")
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
PROVOKED = ("net::ERR_INTERNET_DISCONNECTED", "the server responded with a status of 401")
SEEN_MILLISECONDS = 2000
PHONE = {"width": 390, "height": 844}
EXPIRED = {"errors": [{"message": "Begin again.", "extensions": {"code": "CURSOR_EXPIRED"}}], "data": None}
SET = """mutation ($input: AttendanceInput!) { setAttendance(input: $input) { attendance { id } } }"""
READ = """query ($id: ID!) { attendances(perspective: {sessionId: $id}) { nodes { id bookingId status } } }"""

OpenWindow = Callable[..., "Page"]
Prepare = Callable[["Page"], None]


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a test's own, with bookings that nobody has marked."""

    url: str
    token: str
    session_id: str
    bookings: list[str]

    @property
    def address(self) -> str:
        return f"#check-in/{quote(self.session_id, safe='')}"

    def run(self, query: str, **variables: Any) -> Any:
        headers = {"authorization": f"Bearer {self.token}"}
        body = {"query": query, "variables": variables}
        answer = httpx2.post(f"{self.url}graphql", json=body, headers=headers).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def mark(self, booking: str, status: str) -> None:
        self.run(SET, input={"bookingId": booking, "sessionId": self.session_id, "status": status})

    def read_statuses(self) -> dict[str, str]:
        nodes = self.run(READ, id=self.session_id)["attendances"]["nodes"]
        return {node["bookingId"]: node["status"] for node in nodes}


@pytest.fixture(scope="session")
def start_url(explorer_url: str) -> str:
    return explorer_url.removesuffix("graphql")


@pytest.fixture
def session(start_url: str) -> Session:
    page = httpx2.get(start_url, headers={"accept": "text/html"}).text
    found = re.search(r'data-token="([^"]+)"', page)
    assert found
    made = Session(start_url, found[1], f"50% off? Ärobik #2/{uuid4()}", [str(uuid4()) for _ in range(4)])
    for booking in made.bookings:
        made.mark(booking, "NOT_SET")
    return made


@pytest.fixture
def open_window(browser: "Browser", start_url: str) -> Iterator[OpenWindow]:
    """Opens a window of a visitor who has never been here; its address may be the part from `#` on."""
    errors: list[str] = []
    contexts = []

    def note(kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(each in text for each in PROVOKED):
            errors.append(text)

    def check_host(request: "Request") -> None:
        if not request.url.startswith((start_url, "data:", "blob:")):
            errors.append(f"asked {request.url}")

    def open_(address: str = "", *, url: str = start_url, prepare: Prepare | None = None, **options: Any) -> "Page":
        contexts.append(context := browser.new_context(**options))
        page = context.new_page()
        page.on("console", lambda message: note(message.type, message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        if url == start_url:
            page.on("request", check_host)
        if prepare:
            prepare(page)
        page.goto(f"{url}{address}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert errors == []


def find_record(page: "Page", booking: str) -> "Locator":
    return page.locator(f".record[data-booking='{booking}']")


def expect_status(page: "Page", booking: str, text: str, **options: Any) -> None:
    expect(find_record(page, booking).locator(".status")).to_contain_text(text, **options)


def expect_live(page: "Page") -> None:
    expect(page.locator(".connection")).to_have_text("Live")


def click_mark(page: "Page", booking: str, status: str) -> None:
    find_record(page, booking).locator(f"[data-value={status}]").click()


def expect_content(page: "Page", view: str) -> None:
    """Wait until the view shows the service's data."""
    content = {"check-in": ".record", "absences": "table", "overview": ".card"}[view]
    expect(page.locator(f"#view {content}").first).to_be_visible()


def test_check_in_suggests_sessions_and_lists_the_first_ones_records(open_window: OpenWindow) -> None:
    page = open_window()
    expect_live(page)

    assert page.locator("#session option").count() > 5
    expect(page.locator(".record").first).to_be_visible()
    expect(page).to_have_title("Check-in · Attendance")
    expect(page.locator("nav [aria-current]")).to_have_text("Check-in")


def test_a_sessions_id_can_be_typed(open_window: OpenWindow, session: Session) -> None:
    page = open_window()
    page.get_by_label("s id").fill(session.session_id)
    page.keyboard.press("Enter")

    expect(page.locator("#view h2")).to_have_text(session.session_id)
    expect(page.locator(".record")).to_have_count(4)
    assert page.url.endswith(session.address)


def test_two_windows_see_each_others_marks_within_two_seconds(open_window: OpenWindow, session: Session) -> None:
    one, other = open_window(session.address), open_window(session.address)
    first, second, *_ = session.bookings
    expect_live(one)
    expect_live(other)
    click_mark(one, first, "ATTENDED")
    expect_status(other, first, "Attended, 1 person", timeout=SEEN_MILLISECONDS)
    click_mark(other, second, "NOT_ATTENDED")
    expect_status(one, second, "Did not attend", timeout=SEEN_MILLISECONDS)

    expect(one.locator(".progress")).to_have_text("4 bookings: 1 attended, 1 did not, 2 not marked")
    expect(one.locator("#announcement")).to_have_text(f"Booking {second[:8]}: Did not attend")
    pressed = find_record(one, second).locator("[aria-pressed=true]")
    expect(pressed).to_have_text(["Did not attend"])
    assert session.read_statuses() == dict(
        zip(session.bookings, ["ATTENDED", "NOT_ATTENDED", "NOT_SET", "NOT_SET"], strict=True)
    )


def test_offline_and_back_loses_nothing(open_window: OpenWindow, session: Session) -> None:
    page = open_window(session.address)
    first, second, third, fourth = session.bookings
    expect_live(page)
    page.context.set_offline(True)
    expect(page.locator(".connection")).to_contain_text("Offline")
    session.mark(first, "ATTENDED")
    session.mark(second, "NOT_ATTENDED")
    click_mark(page, third, "ATTENDED")
    failure = find_record(page, third).locator(".failure[role=alert]")
    expect(failure).to_contain_text("“Attended” was not saved.")
    expect_status(page, first, "Not marked")
    page.context.set_offline(False)
    expect_status(page, first, "Attended")
    expect_status(page, second, "Did not attend")
    expect_live(page)
    failure.get_by_role("button", name="Try again").click()
    expect_status(page, third, "Attended")

    expect(failure).to_be_empty()
    assert session.read_statuses() == dict(
        zip(session.bookings, ["ATTENDED", "NOT_ATTENDED", "ATTENDED", "NOT_SET"], strict=True)
    )
    session.mark(fourth, "ATTENDED")
    expect_status(page, fourth, "Attended")


def test_a_record_that_is_new_or_deleted_appears_and_disappears(open_window: OpenWindow, session: Session) -> None:
    page = open_window(session.address)
    expect_live(page)
    session.mark(added := str(uuid4()), "ATTENDED")
    expect_status(page, added, "Attended")
    found = session.run(READ, id=session.session_id)["attendances"]["nodes"]
    ids = {node["bookingId"]: node["id"] for node in found}
    session.run("mutation ($id: ID!) { deleteAttendance(id: $id) { deletedId } }", id=ids[session.bookings[0]])

    expect(find_record(page, session.bookings[0])).to_have_count(0)
    expect(page.locator(".record")).to_have_count(4)


def test_an_expired_cursor_loads_the_session_again(open_window: OpenWindow, session: Session) -> None:
    streams: list[Request] = []

    def answer(route: "Route") -> None:
        if "text/event-stream" not in route.request.headers["accept"]:
            route.continue_()
            return
        streams.append(route.request)
        if len(streams) > 1:
            route.continue_()
            return
        session.mark(session.bookings[0], "ATTENDED")
        event = f"event: next\ndata: {json.dumps(EXPIRED)}\n\nevent: complete\ndata:\n\n"
        route.fulfill(body=event, headers={"Content-Type": "text/event-stream; charset=utf-8"})

    page = open_window(session.address, prepare=lambda page: page.route("**/graphql", answer))
    expect_status(page, session.bookings[0], "Attended")
    expect_live(page)

    first, second = [json.loads(request.post_data or "")["variables"]["after"] for request in streams]
    assert first != second


def test_a_mark_is_made_by_keyboard_and_keeps_the_focus(open_window: OpenWindow, session: Session) -> None:
    page = open_window(session.address)
    expect_live(page)
    button = find_record(page, session.bookings[0]).get_by_role("button", name=re.compile("^Attended"))
    button.focus()
    page.keyboard.press("Space")

    expect_status(page, session.bookings[0], "Attended, 1 person")
    expect(button).to_be_focused()
    expect(page.locator("#announcement")).to_have_text("Saved: Attended")


def test_absences_have_a_chart_and_a_table_of_bookings_then_of_sessions(open_window: OpenWindow) -> None:
    page = open_window("#absences")
    expect(page.locator("#view h2")).to_have_text(["Bookings that missed most", "Sessions most missed"])

    expect(page.locator(".chart canvas")).to_have_count(2)
    expect(page.locator("tbody tr")).to_have_count(20)
    expect(page.locator("tbody tr").first).to_contain_text("100%")
    page.get_by_role("button", name="Show more").first.click()
    expect(page.locator("tbody tr").nth(60)).to_be_visible()


@pytest.mark.parametrize("target", ["table", "chart"])
def test_a_click_opens_the_bookings_history(open_window: OpenWindow, target: str) -> None:
    page = open_window("#absences")
    link = page.locator("tbody a").first
    booking = link.get_attribute("title")
    assert booking
    if target == "table":
        link.click()
    else:
        page.locator(".chart .u-over").first.click(position={"x": 40, "y": 12})

    expect(page.locator("#view h2")).to_have_text([f"Booking {booking[:8]}"])
    expect(page.locator("#view h2")).to_be_focused()
    expect(page.locator("tbody .status[data-status=NOT_ATTENDED]").first).to_be_visible()
    assert page.url.endswith(f"#absences/{booking}")
    page.go_back()
    expect(page.locator("#view h2").first).to_have_text("Bookings that missed most")


def test_the_overview_has_the_rate_and_the_counts(open_window: OpenWindow, session: Session) -> None:
    summary = session.run("{ attendances(first: 0) { summary { total attended attendanceRate } } }")
    numbers = summary["attendances"]["summary"]
    page = open_window("#overview")

    expect(page.locator(".rate-number")).to_have_text(f"{numbers['attendanceRate']:.0%}")
    expect(page.locator(".card .number").first).to_have_text(f"{numbers['total']:,}")
    expect(page.locator(".card .number").nth(1)).to_have_text(f"{numbers['attended']:,}")


@pytest.mark.parametrize(
    ("session_id", "name"),
    [
        ("Room\n1\u2028\tEast", "Room 1 East"),
        (" ", '" "'),
        ("\u200b", '"\u200b"'),
        ("5c1f0a528d3e4b679f21c0a4: ", '"5c1f0a528d3e4b679f21c0a4: "'),
    ],
)
def test_every_session_has_a_name_of_one_line(
    open_window: OpenWindow, session: Session, session_id: str, name: str
) -> None:
    odd = replace(session, session_id=session_id)
    odd.mark(odd.bookings[0], "NOT_SET")
    page = open_window(odd.address)
    expect_live(page)

    assert page.locator("#view h2").text_content() == name
    assert page.locator("#session option:checked").text_content() == name
    assert page.locator("#session").input_value() == session_id


def test_one_booking_is_counted_as_one(open_window: OpenWindow, session: Session) -> None:
    alone = replace(session, session_id=f"alone {uuid4()}")
    alone.mark(alone.bookings[0], "ATTENDED")
    page = open_window(alone.address)

    expect(page.locator(".progress")).to_have_text("1 booking: 1 attended, 0 did not, 0 not marked")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"data": {"unmarked": {"nodes": []}, "latest": {"nodes": []}}}, "This site has no records yet."),
        (EXPIRED, "Begin again."),
    ],
)
def test_a_check_in_without_records_is_not_busy(open_window: OpenWindow, answer: object, text: str) -> None:
    page = open_window(prepare=lambda page: page.route("**/graphql", lambda route: route.fulfill(json=answer)))
    expect(page.locator("#view").get_by_text(text)).to_be_visible()

    expect(page.locator("[aria-busy=true]")).to_have_count(0)


def test_the_charts_labels_cut_no_character_in_two(open_window: OpenWindow) -> None:
    page = open_window()
    labels = page.evaluate(
        """import("/start/chart.js").then(({ labelBars }) =>
            labelBars([{ label: "🧘".repeat(40) }, { label: "🧘".repeat(18) }], 18).labels)"""
    )

    assert labels == [f"{'🧘' * 8}…{'🧘' * 9}", "🧘" * 18]


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_shows_its_query_and_opens_it_in_graphiql(open_window: OpenWindow, view: str) -> None:
    page = open_window(f"#{view}")
    expect_content(page, view)
    shown = page.locator("#queries pre").first.text_content()
    link = page.locator("#queries a").first.get_attribute("href")
    assert shown
    assert link
    assert parse_qs(urlsplit(link).query)["query"] == [shown]
    page.locator("#queries a").first.click()

    page.locator(".graphiql-execute-button").click()
    expect(page.locator(".result-window")).to_contain_text('"data": {')
    expect(page.locator(".result-window")).not_to_contain_text("errors")


def test_the_page_asks_for_a_token_and_keeps_it_in_the_tab_alone(open_window: OpenWindow, session: Session) -> None:
    def take_token(route: "Route") -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace(html.escape(session.token), ""))

    page = open_window(prepare=lambda page: page.route(session.url, take_token))
    expect(page.get_by_role("heading", name="A token, please")).to_be_focused()
    page.get_by_label("Token", exact=True).fill("not.a.token")
    page.keyboard.press("Enter")
    expect(page.locator("#token-problem")).not_to_be_empty()
    page.get_by_label("Token", exact=True).fill(f"Bearer {session.token}")
    page.get_by_role("button", name="Use this token").click()
    expect_live(page)
    page.reload()
    expect_live(page)

    assert session.token not in page.url
    assert session.token in str(page.evaluate("JSON.stringify({...sessionStorage})"))
    assert page.evaluate("JSON.stringify([{...localStorage}, document.cookie])") == '[{},""]'


def test_who_keeps_the_token_returns_to_the_view(open_window: OpenWindow) -> None:
    page = open_window("#overview")
    expect_content(page, "overview")
    page.get_by_role("button", name="Token").click()
    expect(page.locator("#view")).to_be_empty()
    page.get_by_role("button", name="Cancel").click()

    expect_content(page, "overview")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_focused()


def test_the_demos_token_is_not_stored(open_window: OpenWindow) -> None:
    page = open_window()
    expect_live(page)

    assert page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])") == '[{},{},""]'


def test_without_the_charts_files_there_are_tables(open_window: OpenWindow, unbundled_url: str) -> None:
    page = open_window("#absences", url=unbundled_url.removesuffix("graphql"))

    expect(page.locator("tbody tr")).to_have_count(20)
    expect(page.locator(".chart")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_a_phone_in_its_colours(open_window: OpenWindow, view: str, scheme: str, tmp_path: Path) -> None:
    page = open_window(f"#{view}", viewport=PHONE, color_scheme=scheme)
    expect_content(page, view)

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (max(int(each) for each in re.findall(r"\d+", ground)) < 64) is (scheme == "dark")
    assert page.screenshot(path=tmp_path / "view.png", full_page=True)


def test_the_tab_key_goes_from_the_skip_link_through_the_views(open_window: OpenWindow) -> None:
    page = open_window("#overview")
    expect_content(page, "overview")
    names = []
    for _ in range(5):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent"))
    assert names == ["Skip to the view", "Attendance", "Check-in", "Absences", "Overview"]
    page.locator(".skip").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#view")).to_be_focused()
    assert page.url.endswith("#overview")


@pytest.mark.skipif(not AXE.exists(), reason="needs Node and `npm install --prefix tests/browser`")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [*VIEWS, "history", "token"])
def test_axe_finds_no_violation(open_window: OpenWindow, session: Session, view: str, scheme: str) -> None:
    address = {"history": f"#absences/{session.bookings[0]}", "check-in": session.address}.get(view, f"#{view}")
    session.mark(session.bookings[0], "ATTENDED")
    session.mark(session.bookings[1], "NOT_ATTENDED")
    page = open_window(address, bypass_csp=True, color_scheme=scheme)
    expect_content(page, {"history": "absences", "token": "check-in"}.get(view, view))
    if view == "token":
        page.get_by_role("button", name="Token").click()
    page.add_script_tag(path=AXE)
    violations = page.evaluate("axe.run().then(({ violations }) => violations)")

    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in violations] == []
