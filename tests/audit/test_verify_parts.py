"""Parts of a verification by themselves: hashing, walking, and two ways to read MLflow."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from tasks.audit.verify.state import Digest, Digests, walk
from tasks.audit.verify.view import verify
from tasks.lineage import records
from tasks.lineage.records import read_records
from tasks.shared.execution.pipeline import dvc_hash
from tests.project import Project


def test_digests_are_those_of_hashlib_and_of_dvc(tmp_path: Path) -> None:
    contents = {"a": b"", "b/ü c": random.Random(1).randbytes(3 << 20), "b.d": b"x", ".hidden": b"y"}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    digests = Digests()
    digests.read(tmp_path / name for name in contents)
    found = {name: digests[tmp_path / name] for name in contents}
    assert found == {
        name: Digest(hashlib.sha256(one).hexdigest(), hashlib.md5(one).hexdigest(), len(one))
        for name, one in contents.items()
    }
    assert digests.folder_md5({name: tmp_path / name for name in contents}) == dvc_hash(tmp_path)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    digests = Digests()
    for name in ("pipe", "link", "absent", ""):
        found = digests[tmp_path / name]
        assert found.missing and found.sha256 is None


def test_a_walk_sees_all_that_lies_there(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for name in ("a/file", "a/.hidden/deep", ".partial/x", os.fsdecode(b"a/\xff")):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text("x")
    (results / "empty/folder").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "inside").write_text("x")
    (results / "a/kept").symlink_to(elsewhere)
    (results / "a/other").symlink_to(elsewhere)
    (results / "a/file2").symlink_to(elsewhere / "inside")
    (results / "a/broken").symlink_to("nowhere")
    os.mkfifo(results / "a/pipe")
    digests, found = Digests(), walk(tmp_path, Path("results"), {"results/a/kept/inside"})
    assert {name for name, path in found.items() if digests[path].sha256} == {
        "results/a/file", "results/a/.hidden/deep", "results/.partial/x", "results/a/\\xff", "results/a/file2",
        "results/a/kept/inside",
    }  # fmt: skip
    assert {name: digests[path].reason for name, path in found.items() if digests[path].missing} == {
        "results/a/other": f"a link to {elsewhere}",
        "results/a/broken": "a link to nowhere",
        "results/a/pipe": "it is no file",
    }


def test_the_database_is_read_as_mlflows_own_client_reads_it(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(finished.root)
    run_ids = [run for runs in verify().runs.values() for run in runs]
    client = MlflowClient("sqlite:///mlflow.db")
    client.log_metric(run_ids[0], "odd", float("nan"), step=3)
    client.log_metric(run_ids[0], "odd", float("-inf"), step=4)
    client.log_metric(run_ids[0], "tiny", 5e-324)
    direct = read_records("sqlite:///mlflow.db", Path(), run_ids)
    for run_id in run_ids:
        asked = records._of_client(client, run_id)
        assert repr(sorted(asked.metrics)) == repr(sorted(direct[run_id].metrics))
        assert (asked.params, repr(sorted(asked.latest.items())), asked.versions) == (
            direct[run_id].params,
            repr(sorted(direct[run_id].latest.items())),
            direct[run_id].versions,
        )
