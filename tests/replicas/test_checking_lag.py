"""`attendance check` judges a replica by ATTENDANCE_REPLICA_MAX_LAG, although it waits for ten seconds at most."""

import pytest

from app.database import replica_diagnosis
from app.database.diagnosis import Diagnosis
from app.database.replica_diagnosis import diagnose_replicas
from tests.replicas.conftest import Cluster
from tests.replicas.test_checking import write

WAIT_SECONDS = 0.3


async def diagnose(cluster: Cluster, max_lag: float) -> Diagnosis:
    [found] = await diagnose_replicas(cluster.replica_url(), cluster.primary.url, row_security=True, max_lag=max_lag)
    return found


async def test_a_replica_is_behind_if_it_is_by_more_than_the_setting_allows(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert replica_diagnosis.MOST_WAIT_SECONDS == 10
    monkeypatch.setattr(replica_diagnosis, "MOST_WAIT_SECONDS", WAIT_SECONDS)
    await cluster.pause(0)
    await write(cluster)
    for max_lag in (0.2, WAIT_SECONDS):
        found = await diagnose(cluster, max_lag)
        assert (found.trouble or "").startswith(f"it is more than {max_lag} s behind the primary, so queries do not")
    for max_lag in (60.0, 86_400.0):
        found = await diagnose(cluster, max_lag)
        assert found.trouble is None
        assert found.detail.endswith(
            f"a standby, not at the primary's position after 0.3 s; queries read from it unless it is more than "
            f"{max_lag:.0f} s behind (ATTENDANCE_REPLICA_MAX_LAG)"
        )
    await cluster.resume()
    found = await diagnose(cluster, 60.0)
    assert found.trouble is None
    assert found.detail.endswith(" s behind")
