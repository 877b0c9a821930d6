"""The explorer in a real browser: it works under its policy, and keeps no token.

Runs where ATTENDANCE_BROWSER names a Chromium and playwright is installed (the `browser` extra). Every test that uses
`page` also fails on any error in the browser's console, such as a breach of the Content-Security-Policy (but see
`is_error`).
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx2
import pytest

from app.web.explorer.page import CDN, VENDOR_FOLDER
from tests.browser.chromium import require_browser

require_browser()

from playwright.sync_api import expect  # noqa: E402, after the skip

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Route

QUERY_EDITOR = ".graphiql-query-editor .CodeMirror"
HEADER_EDITOR = "section[aria-label='Headers'] .graphiql-editor:not(.hidden) .CodeMirror"
VARIABLE_EDITOR = "section[aria-label='Variables'] .graphiql-editor:not(.hidden) .CodeMirror"
ANSWER = ".result-window .CodeMirror"
PLAY = ".graphiql-execute-button"
SCROLL_LOCK_DIGEST = "sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo="
TASKS = ["CheckIn", "NoShows", "BookingHistory", "NextPage", "BulkCheckIn", "Absences"]
TWO_OPERATIONS = "query A { __typename } query B { __typename }"
WRITE_DELAY_MILLISECONDS = 800  # GraphiQL waits up to 500 ms before it acts on an edit or stores it.


def is_error(message: "ConsoleMessage") -> bool:
    """Whether the browser complains of something that matters.

    GraphiQL's menus and dialogs write one style rule that stops the page behind them from scrolling. The policy
    blocks it, and nothing is lost: the page does not scroll.
    """
    return message.type == "error" and SCROLL_LOCK_DIGEST not in message.text


@pytest.fixture
def context(browser: "Browser") -> Iterator["BrowserContext"]:
    """A browser that has never been here."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def page(context: "BrowserContext") -> Iterator["Page"]:
    """An empty page; the test fails when anything on it has logged an error by its end."""
    errors: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text) if is_error(message) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.wait_for_load_state("networkidle")
    assert errors == []


def read_editor(editor: "Locator") -> str:
    return str(editor.evaluate("element => element.CodeMirror.getValue()"))


def write_editor(page: "Page", editor: str, text: str) -> None:
    """Replace an editor's text, and wait until GraphiQL has taken note."""
    page.locator(editor).evaluate("(element, text) => element.CodeMirror.setValue(text)", text)
    page.wait_for_timeout(WRITE_DELAY_MILLISECONDS)


def run_query(page: "Page") -> dict[str, object]:
    """Press play; gives the answer as the page shows it."""
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.click(PLAY)
    expect(page.locator(ANSWER)).to_contain_text("{")
    answer = json.loads(read_editor(page.locator(ANSWER)))
    assert isinstance(answer, dict)
    return answer


def read_storage(page: "Page") -> str:
    """All that the page has left in the browser, once its delayed writes are done."""
    page.wait_for_timeout(WRITE_DELAY_MILLISECONDS)
    return str(page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"))


def read_token(page: "Page") -> str:
    headers = json.loads(read_editor(page.locator(HEADER_EDITOR)))
    assert list(headers) == ["Authorization"]
    return str(headers["Authorization"]).removeprefix("Bearer ")


def test_the_first_query_runs_on_a_click_and_shows_data(page: "Page", explorer_url: str) -> None:
    page.goto(explorer_url)
    expect(page).to_have_title("Attendance · GraphiQL")
    answer = run_query(page)

    assert list(answer) == ["data"]
    expect(page.locator(ANSWER)).to_contain_text('"totalCount"')
    expect(page.locator(ANSWER)).to_contain_text('"bookingId"')


def test_the_header_editor_is_open_with_the_token_that_requests_carry(page: "Page", explorer_url: str) -> None:
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    page.goto(explorer_url)
    expect(page.locator(HEADER_EDITOR)).to_be_visible()
    token = read_token(page)
    run_query(page)

    assert token
    assert sent[-1].method == "POST"
    assert sent[-1].url == explorer_url
    assert sent[-1].headers["authorization"] == f"Bearer {token}"


def test_the_documentation_opens_and_knows_the_schema(page: "Page", explorer_url: str) -> None:
    page.goto(explorer_url)
    page.click("[aria-label='Show Documentation Explorer']")
    page.click(".graphiql-doc-explorer a:text-is('Query')")

    expect(page.locator(".graphiql-doc-explorer-content")).to_contain_text("attendances")


def test_completion_menus_and_dialogs_open_under_the_policy(page: "Page", explorer_url: str) -> None:
    page.goto(f"{explorer_url}?{urlencode({'query': TWO_OPERATIONS})}")
    page.click(PLAY)
    expect(page.locator("[role='menuitem']")).to_have_text(["A", "B"])
    page.keyboard.press("Escape")
    for dialog in ("Open settings dialog", "Open short keys dialog"):
        page.click(f"[aria-label='{dialog}']")
        expect(page.locator("[role='dialog']")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("[role='dialog']")).to_be_hidden()
    page.locator(QUERY_EDITOR).evaluate(
        "element => { element.CodeMirror.setCursor(0, 10); element.CodeMirror.focus() }"
    )
    page.keyboard.press("Control+Space")

    expect(page.locator(".CodeMirror-hints")).to_contain_text("attendances")


def test_no_header_stays_in_the_browser(page: "Page", explorer_url: str) -> None:
    page.goto(explorer_url)
    token = read_token(page)
    run_query(page)
    write_editor(page, HEADER_EDITOR, json.dumps({"Authorization": f"Bearer {token}", "X-Note": "edited"}))
    run_query(page)
    stored = read_storage(page)

    assert "FirstAttendances" in stored
    assert token not in stored
    assert "Bearer" not in stored
    assert "edited" not in stored


def test_the_token_of_an_earlier_run_never_comes_back(page: "Page", explorer_url: str) -> None:
    page.goto(explorer_url)
    token = read_token(page)
    page.route(explorer_url, lambda route: answer_as_an_earlier_run(route, token))
    page.reload()
    assert read_token(page) == "an.earlier.token"
    run_query(page)
    leave_what_other_explorers_leave(page)
    page.unroute(explorer_url)
    page.reload()

    assert read_token(page) == token
    page.click("[aria-label='Show History']")
    page.click(".graphiql-history-item-label >> nth=0")
    assert read_token(page) == token
    assert "totalCount" in str(run_query(page))


def answer_as_an_earlier_run(route: "Route", token: str) -> None:
    if route.request.method == "POST":
        route.fulfill(json={"data": {}})
    else:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace(token, "an.earlier.token"))


def leave_what_other_explorers_leave(page: "Page") -> None:
    """Store headers under the keys that every plain GraphiQL of this origin shares."""
    headers = json.dumps({"Authorization": "Bearer an.earlier.token"})
    page.wait_for_timeout(WRITE_DELAY_MILLISECONDS)
    page.evaluate("headers => localStorage.setItem('graphiql:headers', headers)", headers)
    page.evaluate("() => localStorage.setItem('graphiql:shouldPersistHeaders', 'true')")


def test_a_query_survives_a_reload_in_its_tab(page: "Page", explorer_url: str) -> None:
    page.goto(explorer_url)
    write_editor(page, QUERY_EDITOR, "query Mine { __typename }")
    page.reload()

    assert read_editor(page.locator(QUERY_EDITOR)) == "query Mine { __typename }"
    expect(page.locator(".graphiql-tab-button")).to_have_text(["Mine", *TASKS])


def test_each_tab_of_a_new_visitor_runs_with_the_token(page: "Page", explorer_url: str) -> None:
    page.goto(explorer_url)
    expect(page.locator(".graphiql-tab-button")).to_have_text(["FirstAttendances", *TASKS])
    for task in TASKS:
        page.click(f".graphiql-tab-button:text-is('{task}')")
        answer = run_query(page)
        assert list(answer) == ["data"], answer
        assert task in read_editor(page.locator(QUERY_EDITOR))
    page.reload()

    expect(page.locator(".graphiql-tab-active .graphiql-tab-button")).to_have_text(TASKS[-1])
    assert TASKS[-1] in read_editor(page.locator(QUERY_EDITOR))


def test_the_addresss_query_is_a_tab_before_the_others(page: "Page", explorer_url: str) -> None:
    page.goto(f"{explorer_url}?{urlencode({'query': 'query Asked { __typename }'})}")

    expect(page.locator(".graphiql-tab-button")).to_have_text(["Asked", "FirstAttendances", *TASKS])
    assert read_editor(page.locator(QUERY_EDITOR)) == "query Asked { __typename }"
    assert run_query(page) == {"data": {"__typename": "Query"}}


def test_the_address_with_a_slash_leads_to_the_page(page: "Page", explorer_url: str) -> None:
    page.goto(f"{explorer_url}/")

    assert page.url == explorer_url
    expect(page.locator(QUERY_EDITOR)).to_be_visible()


def test_the_panes_stand_above_each_other_on_a_phone(page: "Page", explorer_url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(explorer_url)
    run_query(page)
    editors, answer = (page.locator(name).bounding_box() for name in (".graphiql-editors", ".graphiql-response"))

    assert editors
    assert answer
    assert editors["y"] + editors["height"] <= answer["y"]
    assert min(editors["width"], answer["width"]) > 340
    assert min(editors["height"], answer["height"]) > 250
    assert answer["y"] + answer["height"] <= 844
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_documentation_stands_above_the_editors_on_a_phone(page: "Page", explorer_url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(explorer_url)
    page.click("[aria-label='Show Documentation Explorer']")
    docs, editors = (page.locator(name).bounding_box() for name in (".graphiql-plugin", ".graphiql-editors"))

    assert docs
    assert editors
    assert docs["width"] > 340
    assert docs["y"] + docs["height"] <= editors["y"]
    expect(page.locator("[aria-label='Hide Documentation Explorer']")).to_be_in_viewport()


def test_without_its_files_the_page_says_what_is_missing(context: "BrowserContext", unbundled_url: str) -> None:
    page = context.new_page()
    page.route(f"{CDN}/**", lambda route: route.abort())
    page.goto(unbundled_url)

    expect(page.locator("#explorer")).to_contain_text("GraphiQL is not installed with this service")
    expect(page.locator("#explorer")).to_contain_text("npm")
    expect(page.locator("#explorer")).not_to_contain_text("Loading")


def test_without_its_files_the_page_works_with_those_of_the_cdn(page: "Page", unbundled_url: str) -> None:
    page.route(f"{CDN}/**", answer_as_the_cdn)
    page.goto(unbundled_url)
    expect(page.locator(".graphiql-tab-button")).to_have_text(["FirstAttendances", *TASKS])

    assert list(run_query(page)) == ["data"]


def answer_as_the_cdn(route: "Route") -> None:
    """Answer with the bundled file of that name: the page takes it only if it is the pinned one."""
    name = route.request.url.rsplit("/", 1)[1]
    types = {"js": "text/javascript", "css": "text/css"}
    headers = {"Access-Control-Allow-Origin": "*", "Content-Type": types[name.rsplit(".", 1)[1]]}
    route.fulfill(body=(VENDOR_FOLDER / name).read_bytes(), headers=headers)


def test_the_address_fills_the_editors_and_names_the_operation(page: "Page", explorer_url: str) -> None:
    query = "query A { __typename } query B($first: Int!) { attendances(first: $first) { nodes { id } } }"
    address = {"query": query, "variables": '{"first": 2}', "operationName": "B"}
    page.goto(f"{explorer_url}?{urlencode(address)}")
    answer = run_query(page)
    assert read_editor(page.locator(QUERY_EDITOR)) == query
    page.click("button:text-is('Variables')")
    assert read_editor(page.locator(VARIABLE_EDITOR)) == '{"first": 2}'
    nodes = answer["data"]["attendances"]["nodes"]  # type: ignore[index]
    assert len(nodes) == 2


def test_a_changed_query_is_no_longer_bound_to_the_addresss_operation(page: "Page", explorer_url: str) -> None:
    page.goto(f"{explorer_url}?{urlencode({'query': TWO_OPERATIONS, 'operationName': 'B'})}")
    assert run_query(page) == {"data": {"__typename": "Query"}}
    write_editor(page, QUERY_EDITOR, "query C { __typename } query D { __typename }")
    page.click(PLAY)

    expect(page.locator("[role='menuitem']")).to_have_text(["C", "D"])


SUBSCRIPTION = (
    """subscription Live { attendanceChanges { cursor changes { kind attendance { numberOfAttendees } } } }"""
)
SET = """mutation Set { setAttendance(input: {
  bookingId: "924a25da-f3dc-41bc-bf13-fa6c22ee7c6c", sessionId: "live", status: ATTENDED, numberOfAttendees: 31
}) { attendance { id } } }"""


def test_a_subscription_shows_each_event_until_it_is_stopped(page: "Page", explorer_url: str) -> None:
    page.goto(f"{explorer_url}?{urlencode({'query': SUBSCRIPTION})}")
    ended: list[Request] = []
    page.on("requestfailed", lambda request: ended.append(request))
    page.click(PLAY)
    expect(page.locator(ANSWER)).to_contain_text('"changes": []')
    token = read_token(page)
    with httpx2.Client() as http:
        headers = {"authorization": f"Bearer {token}"}
        http.post(explorer_url, json={"query": SET}, headers=headers).raise_for_status()
    expect(page.locator(ANSWER)).to_contain_text('"numberOfAttendees": 31')
    assert not ended
    page.click(PLAY)
    page.wait_for_timeout(WRITE_DELAY_MILLISECONDS)
    assert [request.headers["accept"] for request in ended] == ["text/event-stream"]


def test_a_subscription_that_is_refused_shows_why(page: "Page", explorer_url: str) -> None:
    query = 'subscription { attendanceChanges(after: "x") { cursor } }'
    page.goto(f"{explorer_url}?{urlencode({'query': query})}")
    page.click(PLAY)
    expect(page.locator(ANSWER)).to_contain_text("CURSOR_INVALID")
