"""Manifests that are none, or were edited, are refused in one line that says where."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tasks.lineage.model import Artifact, parse_manifest
from tasks.shared.runtime.errors import UserError

FILE = "results/mine/negatives.jsonl"
GOOD: dict[str, Any] = {
    "stage": "mine",
    "params": {"mine": {"keep": 3, "relative_margin": None}, "run.seed": 7},
    "code": {"tasks/mine/run.py": "a" * 64},
    "components": {"numpy": "2.4.0"},
    "inputs": {"results/corpus/manifest.json": {"sha256": "b" * 64, "bytes": 9}},
    "outputs": {FILE: {"sha256": "c" * 64, "bytes": 3}},
    "derived": [],
    "counts": {"queries": 2},
}


def test_an_execution_is_what_its_manifest_says() -> None:
    content = json.dumps(GOOD).encode()
    found = parse_manifest(content, "here")
    assert found.digest == hashlib.sha256(content).hexdigest() and found.stage == "mine"
    assert found.generated == {FILE: Artifact(FILE, "c" * 64, 3)} and found.digest_of(FILE) == "c" * 64
    assert [one.maker for one in found.used.values()] == ["corpus"]
    assert found.param("mine.keep") == 3 and found.param("run.seed") == 7 and found.folders == {}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"stage": 3}, "stage"),
        ({"stage": None}, "stage"),
        ({"code": {"a.py": 1}}, "code.a.py"),
        ({"inputs": []}, ""),
        ({"outputs": {FILE: {"sha256": "c" * 64}}}, f"{FILE}.bytes"),
        ({"outputs": {FILE: {"sha256": "c" * 64, "bytes": "3"}}}, f"{FILE}.bytes"),
        ({"outputs": {FILE: {"sha256": "c" * 64, "bytes": 3, "mtime": 1}}}, f"{FILE}.mtime"),
        ({"counts": {"queries": "2"}}, "counts.queries"),
        ({"derived": "lancedb"}, "derived"),
        ({"folders": {"results/extract/frames": {"files": 3}}}, "bytes"),
        ({"folders": {"results/extract/frames": {"files": "3", "bytes": 9}}}, "frames.files"),
    ],
)
def test_what_is_not_as_a_stage_writes_it_is_refused(change: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError, match=r"here is no manifest \(.*\); restore it: `dvc checkout`") as said:
        parse_manifest(json.dumps(GOOD | change).encode(), "here")
    assert where in str(said.value) and len(str(said.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"\xff", b"null", b"[]", b"{}", b"[" * 100_000])
def test_what_is_no_json_of_a_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="here is no manifest"):
        parse_manifest(content, "here")
