"""`audit export` of what lies outside of the project: a folder of one's own videos, models, the git remote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.audit.export.events import Export, export
from tasks.audit.export.facets import Names, namespace_of, shareable, web_address
from tasks.corpus.run import run as make_corpus
from tasks.extract.run import run as extract
from tasks.lineage.open import workspace
from tasks.shared.artifacts import publish
from tests.audit.openlineage_reader import Graph, parse
from tests.conftest import Workspace, make_video
from tests.project import Project


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:team/films.git", "https://github.com/team/films"),
        ("github.com:team/films.git", "https://github.com/team/films"),
        ("ssh://git@git.example.org:2222/team/films.git", "https://git.example.org/team/films"),
        ("https://name:pass%40word@git.example.org/team/films.git/", "https://git.example.org/team/films"),
        ("https://token@git.example.org:8443/films", "https://git.example.org:8443/films"),
        ("http://[::1]:3000/films.git", "http://[::1]:3000/films"),
        ("git://git.example.org/films", "https://git.example.org/films"),
        ("https://git.example.org/films?private_token=abc#x", "https://git.example.org/films"),
        ("/srv/git/films.git", None),
        ("../films", None),
        ("C:\\git\\films", None),
        ("file:///srv/git/films.git", None),
        ("https://[broken/films", None),
        ("https://git.example.org", None),
    ],
)
def test_addresses_of_remotes(remote: str, address: str | None) -> None:
    assert web_address(remote) == address


def test_the_namespace_is_that_of_the_repository() -> None:
    assert namespace_of("https://github.com/a/b") == "reeltrace://github.com/a/b"
    assert namespace_of(None) == "reeltrace"


def test_names_do_not_tell_of_the_machine() -> None:
    names = Names("films", "/home/me/footage")
    assert names.file("results/mine") == ("films", "results/mine")
    assert names.file("/home/me/footage") == ("file", "footage")
    assert names.file("/home/me/footage/a/queries.csv") == ("file", "footage/a/queries.csv")
    assert names.file("/home/me/other.csv") == ("file", "other.csv")
    assert names.model("package:some_model", None) == ("package", "some_model")
    assert names.model("Tevatron/OmniEmbed-v0.1", "abc") == ("https://huggingface.co", "Tevatron/OmniEmbed-v0.1")
    assert names.model("models/tiny", None) == ("films", "models/tiny")
    assert Names("films", "footage").file("footage/a.mp4") == ("films", "footage/a.mp4")


def test_params_are_shared_without_paths_of_the_machine_and_users() -> None:
    given = {"path": "/home/me/footage", "deep": ["~/x/y", "a/b", 7, None, True], "url": "https://me:pass@host/a@b"}
    assert shareable(given) == {"path": "…/footage", "deep": ["…/y", "a/b", 7, None, True], "url": "https://host/a@b"}


@pytest.fixture
def footage(workspace: Workspace) -> Path:
    """The corpus of the workspace is a folder of three videos somewhere else, extracted."""
    folder = workspace.root.parent / "somewhere" / "footage"
    for number in range(3):
        make_video(folder / "day one" / f"clip {number}é.mp4", seed=number, audio_seconds=0.5)
    rows = [{"query_id": "q1", "text": "a grey block", "split": "test"}]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    workspace.set_params({"corpus.source": "folder", "corpus.path": str(folder)})
    workspace.run("corpus", make_corpus, ("av",))
    return folder


def told(stage: str) -> tuple[Export, dict[str, dict[str, Any]]]:
    """The export, and its final events by stage; every event is one that the client takes."""
    answer = export(workspace(), stage)
    for event in answer.events:
        parse(event)
    return answer, {one["job"]["name"]: one for one in answer.events if one["eventType"] == "COMPLETE"}


def by_name(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Datasets by namespace and name."""
    return {f"{one['namespace']} {one['name']}": one for one in found}


def test_ones_own_videos_are_one_dataset_that_corpus_lists_and_extract_decodes(
    workspace: Workspace, footage: Path
) -> None:
    workspace.run("extract", extract, ("av",))
    answer, done = told("extract")
    listed, decoded = by_name(done["corpus"]["inputs"]), by_name(done["extract"]["inputs"])
    assert list(listed) == ["file footage/queries.jsonl", "file footage"]
    assert list(decoded) == ["reeltrace results/corpus/manifest.parquet", "file footage"]
    videos = {path.relative_to(footage).as_posix(): path for path in footage.rglob("*.mp4")}
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in videos.items()}
    text = json.dumps(digests, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for one in (listed["file footage"], decoded["file footage"]):
        assert one["facets"]["version"]["datasetVersion"] == hashlib.sha256(text.encode()).hexdigest()
        size = one["inputFacets"]["inputStatistics"]
        assert (size["fileCount"], size["size"]) == (3, sum(path.stat().st_size for path in videos.values()))
    assert Graph(answer.events).edges == {("corpus", "extract")}
    assert str(footage.parent) not in json.dumps(answer.events, ensure_ascii=False)
    assert done["corpus"]["run"]["facets"]["reeltrace_stage"]["params"]["corpus"]["path"] == "…/footage"


def test_a_large_folder_is_one_dataset_by_its_listing(
    workspace: Workspace, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "LISTED", 2)
    manifest = workspace.run("extract", extract, ("av",))
    assert set(manifest["folders"]) == {"results/extract/audio", "results/extract/frames"}
    large = by_name(told("extract")[1]["extract"]["outputs"])
    whole = large["reeltrace results/extract"]["outputFacets"]["outputStatistics"]["fileCount"]
    monkeypatch.setattr(publish, "LISTED", 100)
    workspace.run("extract", extract, ("av",))
    small = by_name(told("extract")[1]["extract"]["outputs"])
    assert set(large) - set(small) == {"reeltrace results/extract/files.parquet"}
    for name in ("reeltrace results/extract/frames", "reeltrace results/extract/audio"):
        assert large[name]["facets"]["version"] == small[name]["facets"]["version"]
        assert large[name]["outputFacets"] == small[name]["outputFacets"]
    assert whole == small["reeltrace results/extract"]["outputFacets"]["outputStatistics"]["fileCount"] + 1

    monkeypatch.setattr(publish, "LISTED", 2)
    workspace.run("extract", extract, ("av",))
    (workspace.root / "results/extract/files.parquet").unlink()
    answer, done = told("extract")
    unlisted = by_name(done["extract"]["outputs"])
    assert unlisted["reeltrace results/extract"]["outputFacets"]["outputStatistics"]["fileCount"] >= whole
    assert not {name for name in unlisted if name.endswith(("/frames", "/audio"))}
    assert any(line.startswith("results/extract/files.parquet is missing") for line in answer.remarks)


def test_a_model_of_the_hub_is_its_own_revision(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.root)
    model, revision = "Tevatron/OmniEmbed-v0.1", "0a1b2c3d"
    base = finished.manifest("base")
    base["params"]["base"] |= {"model": "models/thinker", "adapter": model, "adapter_revision": revision}
    path = finished.root / "results" / "base" / "manifest.json"
    path.write_text(json.dumps(base), encoding="utf-8")
    _, done = told("base")
    inputs = by_name(done["base"]["inputs"])
    hub = inputs[f"https://huggingface.co {model}"]["facets"]
    assert hub["version"]["datasetVersion"] == revision
    assert hub["dataSource"]["uri"] == f"https://huggingface.co/{model}"
    assert "version" not in inputs["reeltrace models/thinker"]["facets"]
