"""`graphql-transport-ws`: its messages, its close codes, and what bounds a connection."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from websockets.exceptions import InvalidStatus

from app.web.streams import sockets
from tests.streams.conftest import LiveService, RunService
from tests.support.following import CHANGES, SUBPROTOCOL, open_socket
from tests.support.mutations import COUNT, SET, make_input
from tests.support.service import READ_SCOPE, make_token
from tests.support.waiting import wait_until

TYPENAME = "{ __typename }"


async def test_queries_and_mutations_run_over_it(live: LiveService) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        stored = await socket.run("1", SET, input=make_input())
        assert stored["data"]["setAttendance"]["attendance"]["status"] == "ATTENDED"
        assert await socket.run("1", COUNT) == {"data": {"attendances": {"totalCount": 1}}}


async def test_operations_run_beside_each_other(live: LiveService) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        for identifier in ("a", "b"):
            await socket.subscribe(identifier, CHANGES)
            assert (await socket.receive())["id"] == identifier
        assert live.limits.streaming == 1
        await socket.run("c", TYPENAME)
        changed = await live.set()
        events = [await socket.receive() for _ in range(2)]
        assert {event["id"] for event in events} == {"a", "b"}
        for event in events:
            [change] = event["payload"]["data"]["attendanceChanges"]["changes"]
            assert change["attendanceId"] == changed


async def test_a_client_completes_its_operation_and_may_use_its_id_again(live: LiveService) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        for _ in range(3):
            await socket.subscribe("1", CHANGES)
            assert (await socket.receive())["type"] == "next"
            await socket.send("complete", id="1")
        await wait_until(lambda: live.streams.count == 0)
        assert (live.limits.open, live.limits.streaming) == (1, 0)
        await live.set()
        assert await socket.run("1", TYPENAME) == {"data": {"__typename": "Query"}}


async def test_what_is_completed_already_is_ignored(live: LiveService) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        await socket.send("complete", id="unknown")
        assert await socket.run("1", TYPENAME) == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("payload", [None, {}, {"sent": 1}])
async def test_a_ping_is_answered_with_its_payload(live: LiveService, payload: Any) -> None:
    async with open_socket(live.url) as socket:
        await socket.send("ping", **({} if payload is None else {"payload": payload}))
        assert await socket.receive() == {"type": "pong"} | ({"payload": payload} if payload else {})
        await socket.initialise(live.token)
        await socket.send("pong")
        assert await socket.run("1", TYPENAME) == {"data": {"__typename": "Query"}}


PAYLOADS = {
    "as HTTP has it": lambda bearer: {"Authorization": bearer},
    "in lower case": lambda bearer: {"authorization": bearer},
    "among headers": lambda bearer: {"headers": {"Authorization": bearer}},
    "among parameters": lambda bearer: {"connectionParams": {"authorization": bearer}},
    "beside other things": lambda bearer: {"a": 1, "headers": None, "Authorization": bearer},
    "behind a null": lambda bearer: {"Authorization": None, "headers": {"Authorization": bearer}},
}


@pytest.mark.parametrize("place", PAYLOADS)
async def test_the_token_is_in_the_payload(live: LiveService, place: str) -> None:
    async with open_socket(live.url) as socket:
        await socket.send("connection_init", payload=PAYLOADS[place](f"Bearer {live.token}"))
        assert await socket.receive() == {"type": "connection_ack"}
        assert await socket.run("1", COUNT) == {"data": {"attendances": {"totalCount": 0}}}


@pytest.mark.parametrize("payload", [None, {}, {"anything": 1}, {"Authorization": None}])
async def test_the_token_may_be_in_the_header(live: LiveService, payload: Any) -> None:
    async with open_socket(live.url, additional_headers={"Authorization": f"Bearer {live.token}"}) as socket:
        await socket.send("connection_init", **({} if payload is None else {"payload": payload}))
        assert await socket.receive() == {"type": "connection_ack"}
        assert await socket.run("1", COUNT) == {"data": {"attendances": {"totalCount": 0}}}


@pytest.mark.parametrize("cost", ["1", 1])
async def test_the_cost_and_the_revision_are_told_if_the_payload_asks_for_them(live: LiveService, cost: object) -> None:
    async with open_socket(live.url) as socket:
        payload = {"Authorization": f"Bearer {live.token}", "headers": {"x-attendance-cost": cost}}
        await socket.send("connection_init", payload=payload)
        assert (await socket.receive())["type"] == "connection_ack"
        assert (await socket.run("1", SET, input=make_input()))["extensions"]["revision"] == 1
        assert "revision" not in (await socket.run("1", COUNT))["extensions"]


async def test_the_token_of_the_payload_comes_first(live: LiveService) -> None:
    await live.set()
    header = {"Authorization": f"Bearer {make_token(uuid4(), READ_SCOPE)}"}
    async with open_socket(live.url, additional_headers=header) as socket:
        await socket.initialise(live.token)
        assert await socket.run("1", COUNT) == {"data": {"attendances": {"totalCount": 1}}}


@pytest.mark.parametrize(
    "payload",
    [None, {}, {"Authorization": "Bearer x"}, {"Authorization": "x"}, {"Authorization": 1}, {"Authorization": "é"}],
)
async def test_without_a_valid_token_the_connection_closes(live: LiveService, payload: Any) -> None:
    async with open_socket(live.url) as socket:
        await socket.send("connection_init", **({} if payload is None else {"payload": payload}))
        assert await socket.wait_for_close() == 4401


async def test_with_a_token_that_allows_nothing_the_connection_closes(live: LiveService) -> None:
    async with open_socket(live.url) as socket:
        token = make_token(uuid4(), "other")
        await socket.send("connection_init", payload={"Authorization": f"Bearer {token}"})
        assert await socket.wait_for_close() == 4403


async def test_when_its_token_expires_the_connection_closes(live: LiveService, site_id: UUID) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(make_token(site_id, READ_SCOPE, exp=int(time.time()) + 2))
        for identifier in ("a", "b"):
            await socket.subscribe(identifier, CHANGES)
            assert (await socket.receive())["type"] == "next"
        ended = [await socket.receive() for _ in range(2)]
        assert sorted((each["type"], each["id"]) for each in ended) == [("complete", "a"), ("complete", "b")]
        assert await socket.wait_for_close() == 4401


REFUSED = {
    "invalid": ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
    "malformed": ("subscription {", "GRAPHQL_PARSE_FAILED"),
    "an unknown query": ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
    "a write without the scope": (SET, "FORBIDDEN"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_refused_before_it_runs_is_an_error(live: LiveService, site_id: UUID, case: str) -> None:
    query, code = REFUSED[case]
    variables = {"input": make_input()} if query == SET else {}
    async with open_socket(live.url) as socket:
        await socket.initialise(make_token(site_id, READ_SCOPE))
        await socket.subscribe("1", query, **variables)
        message = await socket.receive()
        assert (message["type"], message["id"]) == ("error", "1")
        assert [error["extensions"]["code"] for error in message["payload"]] == [code]
        assert await socket.run("1", TYPENAME) == {"data": {"__typename": "Query"}}


async def test_an_error_of_a_field_is_in_the_response(live: LiveService) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        response = await socket.run("1", '{ attendances(after: "x") { totalCount } }')
        assert response["errors"][0]["extensions"]["code"] == "CURSOR_INVALID"
        response = await socket.run("1", 'subscription { attendanceChanges(after: "x") { cursor } }')
        assert response["errors"][0]["extensions"]["code"] == "CURSOR_INVALID"


async def test_too_many_streams_are_an_error(run_service: RunService) -> None:
    async with run_service(MAX_STREAMS="1") as live, open_socket(live.url) as socket:
        await socket.initialise(live.token)
        await socket.subscribe("1", CHANGES)
        assert (await socket.receive())["type"] == "next"
        await socket.subscribe("2", CHANGES)
        message = await socket.receive()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "SERVICE_UNAVAILABLE")


@pytest.mark.parametrize("levels", [10, 300, 900])
async def test_variables_may_have_the_levels_that_json_may_have(live: LiveService, levels: int) -> None:
    """As over HTTP: they are neither in the way nor of the type that the argument takes."""
    nested = "[" * levels + "]" * levels
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        for query in (TYPENAME, "query($nested: ID!) { node(id: $nested) { id } }"):
            payload = f'{{"query": "{query}", "variables": {{"nested": {nested}}}}}'
            await socket.connection.send(f'{{"type": "subscribe", "id": "1", "payload": {payload}}}')
        received = [await socket.receive() for _ in range(3)]
        assert [each["type"] for each in received] == ["next", "complete", "error"]
        assert received[2]["payload"][0]["extensions"] == {"code": "BAD_USER_INPUT", "argument": "id"}


BEGIN = "the message that begins"
CLOSED_FOR: dict[str, tuple[list[str | bytes], int]] = {
    "no JSON": (["x"], 4400),
    "no object": (["[]"], 4400),
    "no type": (["{}"], 4400),
    "a type of no text": (['{"type": 1}'], 4400),
    "an unknown type": (['{"type": "start"}'], 4400),
    "bytes": ([b'{"type": "ping"}'], 4400),
    "a payload of a ping that is no object": (['{"type": "ping", "payload": 1}'], 4400),
    "a ping of many levels": (['{"type": "ping", "payload": {"a": ' + "[" * 300 + "]" * 300 + "}}"], 4400),
    "a message of too many levels": (['{"type": "ping", "payload": {"a": ' + "[" * 2000 + "]" * 2000 + "}}"], 4400),
    "a payload of the beginning that is no object": (['{"type": "connection_init", "payload": []}'], 4400),
    "a number as a query": ([BEGIN, '{"type": "subscribe", "id": "1", "payload": {"query": 1}}'], 4400),
    "no query": ([BEGIN, '{"type": "subscribe", "id": "1", "payload": {}}'], 4400),
    "variables that are no object": (
        [BEGIN, '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": 1}}'],
        4400,
    ),
    "no payload": ([BEGIN, '{"type": "subscribe", "id": "1"}'], 4400),
    "no id": ([BEGIN, '{"type": "subscribe", "payload": {"query": "{ __typename }"}}'], 4400),
    "an empty id": ([BEGIN, '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}'], 4400),
    "a number as an id": ([BEGIN, '{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}'], 4400),
    "a long id": ([BEGIN, '{"type": "complete", "id": "' + "x" * 300 + '"}'], 4400),
    "an operation before the beginning": (
        ['{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}'],
        4401,
    ),
    "two beginnings": ([BEGIN, BEGIN], 4429),
    "a message that is too large": (['{"type": "' + "x" * 300_000 + '"}'], 1009),
}


@pytest.mark.parametrize("case", CLOSED_FOR)
async def test_the_connection_closes_for(live: LiveService, case: str) -> None:
    messages, code = CLOSED_FOR[case]
    begin = orjson.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {live.token}"}}).decode()
    async with open_socket(live.url) as socket:
        for message in messages:
            await socket.connection.send(begin if message == BEGIN else message)
        received, closed_by = await socket.read_until_closed()
        assert received == [{"type": "connection_ack"}] * (messages[0] == BEGIN)
        assert closed_by == code


async def test_an_id_in_use_closes_the_connection(live: LiveService) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        for _ in range(2):
            await socket.subscribe("1", CHANGES)
        assert (await socket.read_until_closed())[1] == 4409
    await live.wait_until_free()


async def test_a_connection_that_is_not_initialised_in_time_closes(
    live: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "INITIALISATION_SECONDS", 0.3)
    async with open_socket(live.url) as socket:
        await socket.send("ping")
        assert await socket.receive() == {"type": "pong"}
        assert await socket.wait_for_close() == 4408


@pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["graphql-ws", "x"]])
async def test_another_subprotocol_is_not_accepted(live: LiveService, offered: list[str] | None) -> None:
    async with open_socket(live.url, subprotocols=offered) as socket:
        assert await socket.wait_for_close() == 4406


async def test_of_several_subprotocols_the_one_that_is_known_is_chosen(live: LiveService) -> None:
    async with open_socket(live.url, subprotocols=["graphql-ws", SUBPROTOCOL]) as socket:
        assert socket.connection.subprotocol == SUBPROTOCOL


async def test_a_page_of_another_origin_may_not_connect(live: LiveService) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(live.url, origin="https://elsewhere.example"):
            raise AssertionError
    response = refused.value.response
    assert response.status_code == 403
    assert orjson.loads(response.body or b"")["errors"][0]["extensions"] == {"code": "FORBIDDEN"}


async def test_a_page_of_this_service_or_of_an_allowed_origin_may_connect(run_service: RunService) -> None:
    async with run_service(CORS_ORIGINS="https://app.example.com") as live:
        for origin in (live.url, "https://app.example.com"):
            async with open_socket(live.url, origin=origin) as socket:
                await socket.initialise(live.token)


async def test_there_are_no_websockets_elsewhere(live: LiveService) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(f"{live.url}", path="/healthz"):
            raise AssertionError
    assert refused.value.response.status_code == 403


async def test_a_connection_runs_so_many_operations_at_once(live: LiveService) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        for number in range(sockets.MAX_OPERATIONS):
            await socket.subscribe(str(number), CHANGES)
            assert (await socket.receive())["type"] == "next"
        await socket.subscribe("more", CHANGES)
        message = await socket.receive()
        assert (message["type"], message["id"]) == ("error", "more")
        assert message["payload"][0]["extensions"] == {"code": "OPERATION_TOO_COMPLEX"}
        await socket.send("complete", id="0")
        await wait_until(lambda: live.streams.count == sockets.MAX_OPERATIONS - 1)
        assert await socket.run("more", TYPENAME) == {"data": {"__typename": "Query"}}


async def test_a_client_that_disconnects_leaves_its_mutation_to_be_finished(
    live: LiveService, database_url: str
) -> None:
    """Its slot stays taken until then."""
    admission, owner = live.application.endpoint.admission, await asyncpg.connect(database_url)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE attendance IN ACCESS EXCLUSIVE MODE")
            async with open_socket(live.url) as socket:
                await socket.initialise(live.token)
                await socket.subscribe("1", SET, input=make_input())
                await wait_until(lambda: admission.running == 1)
                await asyncio.sleep(0.2)
            await live.wait_until_free()
            assert admission.running == 1
    finally:
        await owner.close()
    await wait_until(lambda: admission.running == 0)
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        assert await socket.run("1", COUNT) == {"data": {"attendances": {"totalCount": 1}}}
