"""Input of the mutations that is refused: by which code, naming which argument, with nothing stored."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest

from tests.support.mutations import (
    BULK_DELETE,
    BULK_SET,
    DELETE,
    READ,
    SET,
    count_records,
    delete_many,
    list_codes,
    make_input,
    set_many,
    set_one,
)
from tests.support.refusals import read_refusal, refuse
from tests.support.service import ALL_SCOPES, READ_SCOPE, WRITE_SCOPE, GraphQLClient, RecordingDatabase, make_token

GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
LARGEST = 2**31 - 1
PLACES = {name: f"input.{name}" for name in ("bookingId", "sessionId", "numberOfAttendees")}

# What the service itself refuses: in a bulk it is the item alone that fails.
BAD_VALUES: dict[str, tuple[str, Any]] = {
    "a negative number": ("numberOfAttendees", -1),
    "the most negative number": ("numberOfAttendees", -(2**31)),
    "no session": ("sessionId", ""),
    "a session of 251 characters": ("sessionId", "s" * 251),
    "a session of 251 characters of 4 bytes": ("sessionId", "😀" * 251),
    "a session with a NUL": ("sessionId", "nul\0"),
    "a booking that is empty": ("bookingId", ""),
    "a booking that is a word": ("bookingId", "booking"),
    "a booking in braces": ("bookingId", f"{{{GUID}}}"),
    "a booking without hyphens": ("bookingId", GUID.replace("-", "")),
    "a booking and a line feed": ("bookingId", GUID + "\n"),
    "a booking with a NUL": ("bookingId", GUID[:-1] + "\0"),
    "a booking that is a number": ("bookingId", 7),
}
# What GraphQL's types refuse: the call is refused before it is run.
MISTYPED_VALUES: dict[str, tuple[str, Any]] = {
    "a number beyond Int": ("numberOfAttendees", 2**31),
    "a number below Int": ("numberOfAttendees", -(2**31) - 1),
    "half a person": ("numberOfAttendees", 1.5),
    "a number as text": ("numberOfAttendees", "1"),
    "a session that is null": ("sessionId", None),
    "a session that is true": ("sessionId", True),
    "a booking that is null": ("bookingId", None),
    "a booking that is true": ("bookingId", True),
}
BAD_STATUSES = ("CAME", "attended", "", None, 1)
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "set": (SET, {"input": make_input()}),
    "bulk set": (BULK_SET, {"input": [make_input()]}),
    "delete": (DELETE, {"id": GUID}),
    "bulk delete": (BULK_DELETE, {"ids": [GUID]}),
}
READ_ONLY_SCOPES = [scope for scope in ALL_SCOPES if "MANAGE" not in scope]


def write_literal(value: object) -> str:
    """A value as GraphQL has it in a document."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {write_literal(each)}" for name, each in value.items()) + "}"
    if value in ("ATTENDED", "NOT_ATTENDED", "NOT_SET"):
        return str(value)
    return orjson.dumps(value).decode()


@pytest.mark.parametrize("case", BAD_VALUES)
async def test_a_set_refuses_what_cannot_be_stored_and_names_the_argument(
    client: GraphQLClient, database: RecordingDatabase, case: str
) -> None:
    name, value = BAD_VALUES[case]
    item = make_input(**{name: value})
    with database.recording() as sent:
        refusal = await refuse(client, SET, input=item)
        literal = await refuse(
            client, f"mutation {{ setAttendance(input: {write_literal(item)}) {{ attendance {{ id }} }} }}"
        )
    assert refusal.place == ("BAD_USER_INPUT", PLACES[name])
    assert literal == refusal
    assert sent == []


@pytest.mark.parametrize("case", BAD_VALUES)
async def test_in_a_bulk_the_item_that_cannot_be_stored_fails_alone(client: GraphQLClient, case: str) -> None:
    name, value = BAD_VALUES[case]
    alone = await refuse(client, SET, input=make_input(**{name: value}))
    payload = await set_many(client, [make_input(), make_input(**{name: value}), make_input()])
    assert list_codes(payload) == [None, "BAD_USER_INPUT", None]
    assert payload["results"][1] == {
        "index": 1,
        "attendance": None,
        "error": {
            "code": "BAD_USER_INPUT",
            "message": alone.message.replace("input.", "input.1."),
            "argument": PLACES[name].replace("input.", "input.1."),
        },
    }
    assert (payload["totalSuccesses"], payload["totalFailures"]) == (2, 1)
    assert await count_records(client) == 2


@pytest.mark.parametrize("case", MISTYPED_VALUES)
async def test_what_the_types_refuse_is_refused_before_anything_is_stored(client: GraphQLClient, case: str) -> None:
    name, value = MISTYPED_VALUES[case]
    item = make_input(**{name: value})
    assert (await refuse(client, SET, input=item)).place == ("BAD_USER_INPUT", PLACES[name])
    bulk = await refuse(client, BULK_SET, input=[make_input(), item])
    assert bulk.place == ("BAD_USER_INPUT", PLACES[name].replace("input.", "input.1."))
    literal = f"mutation {{ setAttendance(input: {write_literal(item)}) {{ attendance {{ id }} }} }}"
    assert (await refuse(client, literal)).place == ("GRAPHQL_VALIDATION_FAILED", PLACES[name])
    assert await count_records(client) == 0


@pytest.mark.parametrize("status", BAD_STATUSES)
async def test_a_status_is_one_of_three(client: GraphQLClient, status: object) -> None:
    item = make_input(status=status)
    assert (await refuse(client, SET, input=item)).place == ("BAD_USER_INPUT", "input.status")
    bulk = await refuse(client, BULK_SET, input=[make_input(), item])
    assert bulk.place == ("BAD_USER_INPUT", "input.1.status")


@pytest.mark.parametrize("name", ["bookingId", "sessionId", "status"])
async def test_what_has_no_default_must_be_given(client: GraphQLClient, name: str) -> None:
    item = make_input()
    del item[name]
    refusal = await refuse(client, SET, input=item)
    assert refusal.code == "BAD_USER_INPUT"
    assert name in refusal.message


@pytest.mark.parametrize(("document", "template"), [(SET, "input"), (BULK_SET, "bulk"), (DELETE, "id")])
async def test_a_lone_surrogate_is_refused_however_it_comes(
    client: GraphQLClient, document: str, template: str
) -> None:
    item = make_input(sessionId="LONE")
    variables = {"input": {"input": item}, "bulk": {"input": [item]}, "id": {"id": "LONE"}}[template]
    headers = {**client.headers, "content-type": "application/json"}
    body = orjson.dumps({"query": document, "variables": variables}).replace(b"LONE", rb"\ud83d")
    answer = await client.http.post("/graphql", content=body, headers=headers)
    assert read_refusal(answer).place == ("BAD_USER_INPUT", None)
    literal = (
        'mutation { setAttendance(input: {bookingId: "x", sessionId: "\\uD83D", status: NOT_SET}) { __typename } }'
    )
    assert (await refuse(client, literal)).code == "GRAPHQL_PARSE_FAILED"
    assert await count_records(client) == 0


@pytest.mark.parametrize("count", [0, 101, 150])
async def test_a_bulk_outside_of_1_to_100_items_is_refused_as_one(
    client: GraphQLClient, database: RecordingDatabase, count: int
) -> None:
    with database.recording() as sent:
        items = await refuse(client, BULK_SET, input=[make_input() for _ in range(count)])
        ids = await refuse(client, BULK_DELETE, ids=[GUID] * count)
    assert (items.place, ids.place) == (("BAD_USER_INPUT", "input"), ("BAD_USER_INPUT", "ids"))
    for refusal in (items, ids):
        assert "1 to 100" in refusal.message
        assert str(count) in refusal.message
    assert sent == []


async def test_a_bulk_of_100_of_the_longest_items_is_stored_and_deleted(client: GraphQLClient) -> None:
    items = [make_input(sessionId="😀" * 250, numberOfAttendees=LARGEST) for _ in range(100)]
    payload = await set_many(client, items)
    assert (payload["totalSuccesses"], payload["totalFailures"]) == (100, 0)
    deleted = await delete_many(client, [result["attendance"]["id"] for result in payload["results"]])
    assert (deleted["totalSuccesses"], deleted["totalFailures"]) == (100, 0)
    assert await count_records(client) == 0


async def test_a_bulk_without_a_good_item_sends_nothing(client: GraphQLClient, database: RecordingDatabase) -> None:
    with database.recording() as sent:
        items = await set_many(client, [make_input(sessionId=""), make_input(numberOfAttendees=-1)])
        ids = await delete_many(client, ["x", ""])
    assert sent == []
    for payload in (items, ids):
        assert list_codes(payload) == ["BAD_USER_INPUT"] * 2
        assert (payload["totalSuccesses"], payload["totalFailures"]) == (0, 2)


async def test_one_item_stands_for_a_list_of_one(client: GraphQLClient) -> None:
    payload = (await client.data(BULK_SET, input=make_input()))["bulkSetAttendance"]
    record = payload["results"][0]["attendance"]
    deleted = (await client.data(BULK_DELETE, ids=record["id"]))["bulkDeleteAttendance"]
    assert deleted["results"] == [{"index": 0, "deletedId": record["id"], "error": None}]


@pytest.mark.parametrize("text", ["", "x", GUID[:-1], f" {GUID} ", GUID + "\0", "%", "' OR true --"])
async def test_a_malformed_id_is_refused_and_in_a_bulk_it_fails_alone(client: GraphQLClient, text: str) -> None:
    refusal = await refuse(client, DELETE, id=text)
    assert refusal.place == ("BAD_USER_INPUT", "id")
    record = await set_one(client, make_input())
    payload = await delete_many(client, [text, record["id"]])
    assert list_codes(payload) == ["BAD_USER_INPUT", None]
    assert payload["results"][1]["deletedId"] == record["id"]


@pytest.mark.parametrize("status", ["NOT_ATTENDED", "NOT_SET", "ATTENDED"])
@pytest.mark.parametrize("number", [0, 1, LARGEST])
async def test_any_number_goes_with_any_status(client: GraphQLClient, status: str, number: int) -> None:
    record = await set_one(client, make_input(status=status, numberOfAttendees=number))
    assert (record["status"], record["numberOfAttendees"]) == (status, number)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("scope", READ_ONLY_SCOPES)
async def test_whoever_may_only_read_is_forbidden_to_write(
    http: httpx2.AsyncClient, database: RecordingDatabase, site_id: UUID, call: str, scope: str
) -> None:
    document, variables = CALLS[call]
    reader = GraphQLClient(http, make_token(site_id, scope))
    with database.recording() as sent:
        answer = await reader.post(document, variables)
    assert answer.status_code == 403
    assert "insufficient_scope" in answer.headers["www-authenticate"]
    refusal = read_refusal(answer)
    assert refusal.place == ("FORBIDDEN", None)
    assert WRITE_SCOPE in refusal.message
    assert sent == []


@pytest.mark.parametrize("call", CALLS)
async def test_no_token_is_no_permission_to_write(http: httpx2.AsyncClient, call: str) -> None:
    answer = await GraphQLClient(http, None).post(*CALLS[call])
    assert (answer.status_code, read_refusal(answer).code) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("call", CALLS)
async def test_a_mutation_by_get_is_refused(client: GraphQLClient, database: RecordingDatabase, call: str) -> None:
    document, variables = CALLS[call]
    parameters = {"query": document, "variables": orjson.dumps(variables).decode()}
    with database.recording() as sent:
        answer = await client.http.get("/graphql", params=parameters, headers=client.headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert read_refusal(answer).code == "BAD_USER_INPUT"
    assert sent == []


async def test_a_writer_of_one_site_writes_to_no_other(http: httpx2.AsyncClient) -> None:
    item = make_input()
    clients = [GraphQLClient(http, make_token(uuid4(), READ_SCOPE, WRITE_SCOPE)) for _ in range(2)]
    records = [await set_one(client, {**item, "numberOfAttendees": n}) for n, client in enumerate(clients)]
    for client, own, foreign in zip(clients, records, reversed(records), strict=True):
        assert (await client.data(READ, id=own["id"]))["attendance"] == own
        assert (await client.data(READ, id=foreign["id"]))["attendance"] is None
