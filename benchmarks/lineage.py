"""How long `reeltrace audit trace` takes as the archive grows: `python -m benchmarks.lineage [VIDEOS ...]`.

Makes a synthetic lineage in a temporary folder (tables of the artifacts with made-up digests: nothing is decoded or
trained), asks for the score, for one query with ten results and for one rank, each as a process of its own, and prints
seconds and their ratio to the smallest archive. What is printed does not grow, so neither should the time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa

from tasks.shared.artifacts import corpus, exposures, index, indexed, media, runs, scores, transcripts
from tasks.shared.artifacts.publish import FILES, FILES_SCHEMA, input_files, write_manifest
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import load_params
from tasks.shared.execution.pipeline import read_stages
from tasks.shared.runtime.files import canonical_json, sha256_file, write_json, write_text
from tasks.shared.runtime.parquet import write_parquet

ROOT = Path(__file__).resolve().parents[1]
DEPTH = 1000  # videos ranked for a query
REPEATS = 5


def main() -> None:
    """Build each size, time the three questions, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=int, default=[2_000, 20_000, 200_000], help="sizes of the archive")
    sizes = sorted(parser.parse_args().videos)
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            query, video = build(Path(folder), size)
            rows.append([timed(Path(folder), what) for what in ([], [query], [f"{query}:{video}"])])
    print(f"{'videos':>9}  {'score':>14}  {'query':>14}  {'query:video':>14}   seconds (ratio to the smallest)")
    for size, row in zip(sizes, rows, strict=True):
        cells = [f"{seconds:.2f} ({seconds / first:.2f})" for seconds, first in zip(row, rows[0], strict=True)]
        print(f"{size:>9}  " + "  ".join(f"{cell:>14}" for cell in cells))


def timed(folder: Path, what: list[str]) -> float:
    """Median seconds of a trace, as a user's process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "tasks.cli", "audit", "trace", *what]
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def build(root: Path, size: int) -> tuple[str, str]:
    """Write a finished workspace of so many videos, half of them in each split; a query and a video it ranked."""
    for name in ("dvc.yaml", "params.yaml"):
        write_text(root / name, (ROOT / name).read_text(encoding="utf-8"))
    (root / "tasks").symlink_to(ROOT / "tasks")
    os.chdir(root)
    ids = [f"v{number:07}" for number in range(size)]
    train, test = ids[: size // 2], ids[size // 2 :]
    asked = [f"q{number:06}" for number in range(max(20, size // 80))]
    _corpus(ids, train, asked)
    _table("extract", media.TABLE, media.ROWS.schema, [_media(one) for one in ids])
    files = [f"results/extract/frames/{one}.png" for one in ids] + [f"results/extract/audio/{one}.flac" for one in ids]
    _table("extract", FILES, FILES_SCHEMA, [{"path": one, "sha256": _digest(one), "bytes": 9} for one in sorted(files)])
    write_text(RESULTS / "extract" / "failures.jsonl", "")
    said = [{"video_id": one, "text": f"what is said in {one} " * 20, "language": "en", "language_probability": 1.0,
             "segments": []} for one in ids]  # fmt: skip
    _table("transcribe", transcripts.TABLE, transcripts.ROWS.schema, said)
    write_text(RESULTS / "transcribe" / "failures.jsonl", "")
    write_text(RESULTS / "mine" / "negatives.jsonl", "")
    write_text(RESULTS / "base" / "model.json", "{}")
    shown = [{"video_id": one, "query_id": asked[place % len(asked)], "role": "mined", "steps": [place], "others": 15}
             for place, one in enumerate(train)]  # fmt: skip
    _table("train", exposures.TABLE, exposures.ROWS.schema, shown)
    _table("encode", indexed.TABLE, indexed.ROWS.schema, [_document(one) for one in test])
    write_text(RESULTS / "encode" / "failures.jsonl", "")
    _evaluate(asked, test)
    params = load_params()
    for stage, spec in read_stages(params).items():
        if stage == "report":
            continue
        out = RESULTS / stage
        settings = {key: params.section(key) for key in spec.params}
        read = [file for path in spec.inputs if path.exists() for file in input_files(path)]
        code = {path.as_posix(): sha256_file(path) for path in spec.code}
        write_manifest(out, stage, params=settings, code=code, components=["numpy"], inputs=read, counts={})
    return asked[7], _ranked(7, test)[3]


def _corpus(ids: list[str], train: list[str], asked: list[str]) -> None:
    of_train = set(train)
    videos = [{"video_id": one, "path": f"videos/{one}.mp4", "sha256": _digest(one), "bytes": 1_000_000,
               "duration": 30.0, "title": f"Video {one}", "language": "en",
               "split": "train" if one in of_train else "test"} for one in ids]  # fmt: skip
    _table("corpus", "manifest.parquet", corpus.VIDEO_ROWS.schema, videos)
    queries = [{"query_id": one, "text": f"what {one} asks", "language": "en", "split": "test"} for one in asked]
    _table("corpus", "queries.parquet", corpus.QUERY_ROWS.schema, queries)
    test = [one for one in ids if one not in of_train]
    lines = [f"{query} 0 {test[place % len(test)]} 1\n" for place, query in enumerate(asked)]
    write_text(RESULTS / "corpus" / "qrels.test.trec", "".join(lines))
    write_text(RESULTS / "corpus" / "qrels.train.trec", "")


def _media(one: str) -> dict[str, Any]:
    return {
        "video_id": one, "frames": f"frames/{one}.png", "frames_sha256": _digest(one), "times": [0.5] * 24,
        "source_frames": 720, "width": 640, "height": 360, "audio": f"audio/{one}.flac", "audio_sha256": _digest(one),
        "audio_seconds": 30.0,
    }  # fmt: skip


def _document(one: str) -> dict[str, Any]:
    digest = _digest(one)
    return {
        "video_id": one, "document_sha256": digest, "modalities": ["text", "video", "audio"],
        "text": f"what is said in {one} " * 20, "text_tokens": 120, "frames": 24, "frames_sha256": digest,
        "audio_sha256": digest, "vector_sha256": digest, "payload_sha256": digest,
    }  # fmt: skip


def _evaluate(asked: list[str], test: list[str]) -> None:
    for system in scores.SYSTEMS:
        lines = [
            f"{query} Q0 {one} {rank} {1 - rank / DEPTH:.6f} {system}\n"
            for place, query in enumerate(asked)
            for rank, one in enumerate(_ranked(place, test), start=1)
        ]
        write_text(runs.FOLDER / runs.RUNS / f"{system}.trec", "".join(lines))
    values = dict.fromkeys(scores.MEASURES, 0.5)
    rows = [{"query_id": query, "system": system, **values} for query in asked for system in scores.SYSTEMS]
    _table("evaluate", scores.PER_QUERY, scores.PER_QUERY_SCHEMA, rows)
    systems = dict.fromkeys(scores.SYSTEMS, values)
    intervals = {system: {scores.HEADLINE: [0.4, 0.6]} for system in scores.SYSTEMS}
    found = scores.Scores(queries=len(asked), videos=len(test), systems=systems, intervals=intervals)
    scores.write_scores(scores.FOLDER, found)
    write_json(RESULTS / "encode" / index.MANIFEST, json.loads(canonical_json({"table": "videos"})))


def _ranked(place: int, test: list[str]) -> list[str]:
    start = place * 37 % len(test)
    return (test[start:] + test[:start])[:DEPTH]


def _table(stage: str, name: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> None:
    write_parquet(RESULTS / stage / name, pa.Table.from_pylist(rows, schema=schema))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()
