"""Statements that a replica runs have spans as those of the primary have, one each."""

from uuid import UUID

from tests.replicas.conftest import Cluster, Serve
from tests.support.collector import run_collector
from tests.support.mutations import COUNT, SET, make_input


async def test_a_statement_has_one_span_wherever_it_runs(cluster: Cluster, serve: Serve, site_id: UUID) -> None:
    with run_collector() as collector:
        async with serve(cluster, OTLP_ENDPOINT=collector.url) as service:
            client = service.client(site_id)
            await client.data(COUNT)
            assert service.take_sent() == ["replica 0"]
            await cluster.pause()
            await client.data(SET, input=make_input())
            await client.data(COUNT)
            assert service.take_sent() == ["primary", "replica 0", "primary"]
        texts = [span.attributes["db.query.text"] for span in collector.spans if "db.query.text" in span.attributes]
    assert len(texts) == 3
    assert sum("INSERT INTO" in text for text in texts) == 1
