"""MLflow's runs by the digest they published, read as MLflow's own client reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.lineage.mlflow import Tracking
from tasks.lineage.open import workspace
from tests.project import STAGES, Project


def test_the_database_is_read_as_mlflows_client_reads_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    digests = {one.digest for one in workspace().executions.values()}
    direct, client = Tracking(), Tracking()
    direct.uri = "sqlite:///mlflow.db"
    client.uri = f"sqlite:////{Path('mlflow.db').absolute()}".replace("sqlite:", "sqlite+pysqlite:")  # not ours to read
    found, oracle = direct.of_manifests(digests), client.of_manifests(digests)
    assert client.problem is None and direct.problem is None
    assert found == oracle
    assert sorted(one.stage for runs in found.values() for one in runs) == sorted(STAGES)
    (run,) = found[workspace().execution("evaluate").digest]
    assert direct.get(run.run_id) == client.get(run.run_id) == run
    assert direct.of_stages(["evaluate"]) == client.of_stages(["evaluate"]) == [run]
    assert run.outs["results/evaluate/metrics.json"] and run.commit and not run.dirty
    assert direct.get("f" * 32) is None and client.get("f" * 32) is None and client.problem is None


def test_a_server_out_of_reach_costs_only_what_it_knows(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = Tracking("http://someone:secret@127.0.0.1:9")
    assert away.of_manifests(["0" * 64]) == {"0" * 64: []}
    assert away.problem and "out of reach" in away.problem and "secret" not in away.problem
    damaged = Path("not-a-database.db")
    assert Tracking(f"sqlite:///{damaged}").of_stages(["mine"]) == []
