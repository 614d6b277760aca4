"""The index on disk: the same content is the same manifest, and search is exact."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import lancedb
import numpy as np
import pytest

from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.index import Encoding, describe, write_index
from tasks.shared.artifacts.transcripts import Transcript
from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.retrieval.index import Index
from tasks.shared.runtime.errors import UserError

ENCODING = Encoding("tuned", "c" * 64, "float32", 512, 512, "end")
LANGUAGES = ("en", "ru", "x' OR '1'='1", None)
COUNT, DIMENSION = 200, 48


def corpus() -> tuple[list[Video], Vectors]:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(COUNT, DIMENSION)).astype(np.float32)
    values[20] = values[10]  # a tie
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    videos = [
        Video(
            f"v{number:03}", f"videos/{number}.mp4", "0" * 64, 1, 2.5, f"title {number}", None, None,
            LANGUAGES[number % 4], ("raw", "edited", "professional")[number % 3], "test", None,
        )
        for number in range(COUNT)
    ]  # fmt: skip
    return videos, Vectors([video.video_id for video in videos], values)


def built(folder: Path, order: np.ndarray | None = None) -> Path:
    videos, vectors = corpus()
    if order is not None:
        vectors = Vectors([vectors.ids[row] for row in order], vectors.values[order])
    folder.mkdir()
    said = {"v000": Transcript("v000", "word " * 100, "en", 1.0, [])}
    write_index(folder, vectors, videos, said, ENCODING)
    return folder


def test_two_builds_have_one_manifest_whatever_the_order_and_the_databases_bytes(tmp_path: Path) -> None:
    one, two = built(tmp_path / "one"), built(tmp_path / "two", np.random.default_rng(0).permutation(COUNT))
    assert (one / "index.manifest.json").read_bytes() == (two / "index.manifest.json").read_bytes()
    names = [sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) for folder in (one, two)]
    assert names[0] != names[1]  # which is why the manifest exists


@pytest.mark.parametrize("what", ["vector", "id", "title"])
def test_a_change_of_content_changes_the_manifest(tmp_path: Path, what: str) -> None:
    manifest = Index(built(tmp_path / "one")).manifest
    videos, vectors = corpus()
    if what == "vector":
        vectors.values[7, 3] = np.nextafter(vectors.values[7, 3], 1)
    elif what == "id":
        videos[7], vectors.ids[7] = replace(videos[7], video_id="other"), "other"
    else:
        videos[7] = replace(videos[7], title="another")
    (tmp_path / "two").mkdir()
    rows = write_index(tmp_path / "two", vectors, videos, {}, ENCODING)
    changed = Index(tmp_path / "two").manifest
    assert len(rows) == len(videos)
    assert (changed.vectors_sha256 != manifest.vectors_sha256) == (what != "title")
    assert changed.payload_sha256 != manifest.payload_sha256


def test_the_table_is_one_tagged_version_and_what_its_manifest_says(tmp_path: Path) -> None:
    folder = built(tmp_path / "one")
    table = lancedb.connect(str(folder / "lancedb")).open_table("videos")
    assert [one["version"] for one in table.list_versions()] == [1]
    assert table.tags.get_version("published") == 1
    assert describe(table.to_arrow(), ENCODING) == Index(folder).manifest
    assert Index(folder).manifest.filters["language"] == {"en": 50, "ru": 50, "x' OR '1'='1": 50}
    assert len(table.to_arrow().column("transcript").to_pylist()[0]) == 500


@pytest.mark.parametrize("filters", [{}, {"language": "ru"}, {"language": LANGUAGES[2], "video_type": "raw"}])
def test_search_equals_numpy(tmp_path: Path, filters: dict[str, str]) -> None:
    index = Index(built(tmp_path / "one"))
    videos, vectors = corpus()
    queries = np.random.default_rng(9).normal(size=(10, DIMENSION)).astype(np.float32)
    queries = np.vstack([queries / np.linalg.norm(queries, axis=1, keepdims=True), vectors.values[10]])
    for query in queries:
        scores = vectors.values @ query
        allowed = [
            row for row, video in enumerate(videos) if all(getattr(video, key) == one for key, one in filters.items())
        ]
        order = sorted(allowed, key=lambda row: (scores[row], videos[row].video_id), reverse=True)[:15]
        hits = index.search(query, 15, filters)
        assert [hit.video_id for hit in hits] == [videos[row].video_id for row in order]
        np.testing.assert_allclose([hit.similarity for hit in hits], scores[order], atol=1e-6)


def test_fewer_videos_than_asked_for_are_all_found(tmp_path: Path) -> None:
    assert len(Index(built(tmp_path / "one")).search(corpus()[1].values[0], 1000)) == COUNT


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no index in .*; run `dvc repro`"):
        Index(tmp_path)
    folder = built(tmp_path / "one")
    index = Index(folder)
    with pytest.raises(UserError, match=r"no video has language 'fr'; there are: en \(50\), ru \(50\)"):
        index.search(corpus()[1].values[0], 5, {"language": "fr"})
    with pytest.raises(UserError, match="48 dimensions, the query 3"):
        index.search(np.ones(3, np.float32), 5)
    manifest = json.loads((folder / "index.manifest.json").read_text())
    (folder / "index.manifest.json").write_text(json.dumps(manifest | {"rows": 3}))
    with pytest.raises(UserError, match="has 200 rows and its manifest 3"):
        Index(folder)
    (folder / "lancedb").rename(folder / "gone")
    with pytest.raises(UserError, match="has no table videos"):
        Index(folder)


def test_a_vector_of_no_video_is_refused(tmp_path: Path) -> None:
    videos, vectors = corpus()
    with pytest.raises(UserError, match="vector of v003, which is no video"):
        write_index(tmp_path, vectors, videos[:3], {}, ENCODING)
