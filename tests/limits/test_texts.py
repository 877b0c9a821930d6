"""How long a document and its variables may be, what is kept of documents, and that each limit is a setting."""

import gc
import tracemalloc
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from app.documents import documents as module
from app.documents.documents import Documents, read_operations
from app.documents.errors import RequestRefused
from app.documents.limits import Limits, check_variables, count_values, read_limits
from app.documents.persisted import DocumentReference
from app.documents.trusted import hash_text
from app.errors import OperationTooComplex
from app.settings import load_settings
from tests.http.conftest import ServiceBuilder
from tests.support.refusals import refuse
from tests.support.service import READ_SCOPE, GraphQLClient, make_token

PLAIN = "{ __typename }"
PAGE = "query($first: Int) { attendances(first: $first) { nodes { id } } }"


def find_refusal(text: str, limits: Limits) -> tuple[str, str | None, str]:
    with pytest.raises(RequestRefused) as caught:
        read_operations(text, limits, introspection=False)
    [error] = caught.value.errors
    return error["extensions"]["code"], caught.value.limit, error["message"]


@pytest.mark.parametrize(
    ("limit", "limits", "allowed", "refused", "message"),
    [
        (
            "characters",
            Limits(characters=20),
            PLAIN.ljust(20),
            PLAIN.ljust(21),
            "The document has 21 characters; the limit is 20. It bounds how long it takes to read a document; send "
            "values as variables.",
        ),
        (
            "lines",
            Limits(tokens=3),
            PLAIN + "\n" * 15,
            PLAIN + "\n" * 15 + "\r",
            "The document has too many lines; the limit is 15. It bounds how long it takes to read a document.",
        ),
        (
            "tokens",
            Limits(tokens=4),
            "{ __typename __typename }",
            "{ __typename __typename __typename }",
            "The document has too many tokens; the limit is 4. It bounds how long it takes to read a document; a token "
            "is a name, a value or a mark.",
        ),
        (
            "comments",
            Limits(tokens=3),
            "#\n#\n#\n" + PLAIN,
            "#\n#\n#\n#\n" + PLAIN,
            "The document has too many comments; the limit is 3. It bounds how long it takes to read a document.",
        ),
    ],
)
def test_a_text_may_be_as_long_as_the_limit(
    limit: str, limits: Limits, allowed: str, refused: str, message: str
) -> None:
    assert read_operations(allowed, limits, introspection=False)
    assert find_refusal(refused, limits) == ("OPERATION_TOO_COMPLEX", limit, message)


@pytest.mark.parametrize(
    "text",
    [
        "{ a " * 300 + "}" * 300,
        "{ attendances(filter: " + "[" * 300 + "]" * 300 + ") { totalCount } }",
        "query($x: " + "[" * 300 + "Int" + "]" * 300 + ") { __typename }",
        "{ ... " * 300 + PLAIN + "}" * 300,
    ],
)
def test_what_nests_too_deep_to_be_read_is_beyond_a_limit(text: str) -> None:
    code, limit, message = find_refusal(text, Limits())
    assert (code, limit) == ("OPERATION_TOO_COMPLEX", "nesting")
    assert message == "The document nests selections, values or types too deep to be read."


def test_however_high_the_limits_are_nesting_ends_in_a_refusal() -> None:
    """Fragments nest within the parser's bound each, and far beyond Python's together."""
    limits = Limits(tokens=100_000, characters=10**7, depth=100_000, aliases=10**6)
    deep = "attendances { nodes { booking { " * 60
    fragments = [
        f"fragment F{n} on Booking {{ {deep} ...F{n + 1} {'} } }' * 60} }}" for n in range(40)
    ]  # 180 fields deep each
    fragments.append("fragment F40 on Booking { id }")
    text = "{ attendances { nodes { booking { ...F0 } } } } " + " ".join(fragments)
    assert find_refusal(text, limits)[:2] == ("OPERATION_TOO_COMPLEX", "nesting")


def test_the_same_fields_again_and_again_are_beyond_a_limit() -> None:
    text = "{ attendances { nodes { " + "id " * 200 + "} } }"
    code, limit, message = find_refusal(text, Limits())
    assert (code, limit) == ("OPERATION_TOO_COMPLEX", "repetition")
    assert message.startswith("The document selects the same fields too often")
    assert read_operations("{ attendances { nodes { " + "id " * 100 + "} } }", Limits(), introspection=False)


def test_a_long_name_is_not_repeated_in_full() -> None:
    _, _, message = find_refusal("{ " + "a" * 30_000 + " }", Limits())
    assert message.startswith("Cannot query field 'aaa")
    assert len(message) < 1100


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({}, 0),
        ({"a": 1, "b": None}, 2),
        ({"a": [1, 2, 3]}, 4),
        ({"a": {"b": [1, {"c": "text", "d": {}}]}}, 6),
        ({"a": [[], [], [[]]]}, 5),
    ],
)
def test_items_and_members_of_variables_count(variables: dict[str, Any], count: int) -> None:
    assert count_values(variables, 10**6) == count


def test_counting_goes_on_until_there_are_too_many() -> None:
    nested = {"a": [[1], [2, 3]]}
    assert [count_values(nested, most) > most for most in range(8)] == [True] * 6 + [False] * 2


def read(documents: Documents, text: str, variables: dict[str, Any]) -> None:
    documents.check_request(documents.find(text, None), variables)


def test_variables_may_hold_as_many_values_as_the_limit() -> None:
    documents = Documents(size=10, limits=Limits(variable_values=10), introspection=False)
    read(documents, PAGE, {"first": 1, "unused": [0] * 8})
    with pytest.raises(RequestRefused) as caught:
        read(documents, PAGE, {"first": 1, "unused": [0] * 9})
    assert caught.value.limit == "variable values"
    assert caught.value.errors[0]["message"].startswith("The variables hold too many values; the limit is 10.")


@pytest.mark.parametrize("values", [10, 11, 12])
def test_values_are_counted_with_those_inside_lists(values: int) -> None:
    limits = Limits(variable_values=10)
    variables = orjson.loads(b'{"a":[%b]}' % b",".join([b"0"] * (values - 1)))
    assert values == count_values(variables, 100)
    if values > limits.variable_values:
        with pytest.raises(OperationTooComplex):
            check_variables(limits, variables)


def test_1000_representations_with_their_keys_are_few_enough() -> None:
    documents = Documents(size=10, limits=Limits(), introspection=False)
    given = [{"__typename": "Booking", "id": "x", "more": None}] * 1000
    read(documents, "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }", {"r": given})


def test_the_cost_of_variables_is_checked_with_each_request() -> None:
    documents = Documents(size=10, limits=Limits(cost=20), introspection=False)
    read(documents, PAGE, {"first": 20})
    with pytest.raises(RequestRefused) as caught:
        read(documents, PAGE, {"first": 21})
    assert caught.value.limit == "cost"
    read(documents, PAGE, {"first": 20})


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are parsed."""
    texts: list[str] = []
    parse = module.parse_document
    monkeypatch.setattr(module, "parse_document", lambda text, limits: texts.append(text) or parse(text, limits))
    return texts


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "{ nothing }",
        "{",
        "{ " + "__typename " * 31 + "}",
        f"{PLAIN} #{'x' * 30_000}",
        f"{{ no }} #{'x' * 30_000}",
    ],
)
def test_a_document_is_read_once_whether_it_is_refused_or_not(parsed: list[str], text: str) -> None:
    documents = Documents(size=10, limits=Limits(), introspection=False)
    answers = []
    for _ in range(3):
        try:
            answers.append(documents.find(text, None).name)
        except RequestRefused as refusal:
            answers.append((refusal.errors, refusal.limit))
    assert parsed == [text]
    assert answers[0] == answers[1] == answers[2]


def test_refused_documents_do_not_drive_out_valid_ones(parsed: list[str]) -> None:
    documents = Documents(size=5, limits=Limits(), introspection=False)
    documents.find(PLAIN, None)
    for number in range(20):
        with pytest.raises(RequestRefused):
            documents.find(f"{{ nothing{number} }}", None)
    documents.find(PLAIN, None)
    assert parsed.count(PLAIN) == 1


def test_documents_that_no_valid_caller_has_run_do_not_drive_out_those_of_callers(parsed: list[str]) -> None:
    documents = Documents(size=200, limits=Limits(), introspection=False)
    texts = [f"{PLAIN} # {number}" for number in range(100)]
    for text in texts:
        documents.prove(documents.find(text, None))
    for number in range(500):
        documents.find(f"{{ __typename }} # {number} " + "\U0001f600" * 20_000, None)
    for text in texts:
        documents.find(text, None)
    assert all(parsed.count(text) == 1 for text in texts)


def test_a_registered_document_of_a_valid_caller_is_not_driven_out_by_others() -> None:
    documents = Documents(size=200, limits=Limits(), introspection=False)

    def register(text: str) -> DocumentReference:
        reference = DocumentReference(hash_text(text), "documentId")
        documents.find(text, None, reference)
        return reference

    kept = register(PLAIN)
    documents.prove(documents.find(PLAIN, None))
    for number in range(500):
        register(f"{{ __typename }} # {number}")
    assert documents.find(None, None, kept).name is None


def test_refused_documents_with_long_errors_leave_room_for_fewer() -> None:
    documents = Documents(size=1000, limits=Limits(), introspection=False)
    tracemalloc.start()
    for number in range(1100):
        with pytest.raises(RequestRefused):
            documents.find("{ " + " ".join(f"x{number}{'y' * 900}{field}" for field in range(5)) + " }", None)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 8_000_000


def test_documents_that_were_not_used_for_longest_are_let_go(parsed: list[str]) -> None:
    documents = Documents(size=2, limits=Limits(), introspection=False)
    one, two, three = (f"{PLAIN} # {number}" for number in range(3))
    for text in (one, two, one, three, one, two):
        documents.find(text, None)
    assert parsed == [one, two, three, two]


def test_long_documents_leave_room_for_fewer() -> None:
    documents = Documents(size=30, limits=Limits(), introspection=False)
    long = "{ attendances(orderBy: [" + "ID_ASC " * 900 + "]) { totalCount } }"
    documents.find(PLAIN, None)
    tracemalloc.start()
    for number in range(30):
        documents.find(f"{long} # {number}", None)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 3 * 1024 * 1024


SETTINGS = {
    "max_document_tokens": ("5", "{ attendances { totalCount } }"),
    "max_depth": ("1", "{ attendances { totalCount } }"),
    "max_aliases": ("1", "{ a: attendances { totalCount } b: __typename }"),
    "max_cost": ("49", "{ attendances { nodes { id } } }"),
}


@pytest.mark.parametrize("name", SETTINGS)
async def test_each_limit_is_a_setting(
    service: ServiceBuilder, client: GraphQLClient, site_id: UUID, name: str
) -> None:
    value, query = SETTINGS[name]
    assert await client.data(query, x=1, y=2)
    async with service(**{name: value}) as http:
        limited = GraphQLClient(http, make_token(site_id, READ_SCOPE))
        assert (await refuse(limited, query, x=1, y=2)).code == "OPERATION_TOO_COMPLEX"


MOST = 100
GIVEN = {
    "id": ("[ID!]!", lambda: str(uuid4())),
    "bookingId": ("[ID!]!", lambda: str(uuid4())),
    "sessionId": ("[ID!]!", lambda: uuid4().hex),
    "numberOfAttendees": ("[Int!]!", lambda: 7),
}


@pytest.mark.parametrize("name", GIVEN)
async def test_an_in_takes_a_hundred_values_and_no_more(client: GraphQLClient, name: str) -> None:
    type_, make = GIVEN[name]
    query = f"query($in: {type_}) {{ attendances(filter: {{{name}: {{in: $in}}}}) {{ totalCount nodes {{ id }} }} }}"
    values = [make() for _ in range(MOST + 1)]
    literal = query.replace(f"query($in: {type_}) ", "").replace("$in", orjson.dumps(values).decode())
    whole = query.replace(f"$in: {type_}", "$in: AttendanceFilter").replace(f"{{{name}: {{in: $in}}}}", "$in")
    assert await client.data(query, **{"in": values[:MOST]})
    refusals = [
        await refuse(client, query, **{"in": values}),
        await refuse(client, whole, **{"in": {name: {"in": values}}}),
        await refuse(client, literal),
    ]
    assert [refusal.place for refusal in refusals] == [("BAD_USER_INPUT", f"filter.{name}.in")] * 3
    assert all(f"at most {MOST} values; {MOST + 1} were given" in refusal.message for refusal in refusals)


def test_more_tokens_may_have_more_characters() -> None:
    for tokens, characters in ((10, 32_768), (1000, 32_768), (2000, 64_000)):
        assert read_limits(load_settings({"ATTENDANCE_MAX_DOCUMENT_TOKENS": str(tokens)})).characters == characters
