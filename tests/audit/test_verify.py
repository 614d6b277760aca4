"""Verification of the workspace: what is intact stays silent, what is damaged is named, nothing makes it crash."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.view import verify
from tasks.shared.execution.pipeline import dvc_hash
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file, write_json
from tests.audit.tamperer import Tamperer
from tests.audit.tampering_records import relock
from tests.audit.tampering_rows import swap_frames, swap_index_vectors, swap_transcripts, swap_vectors
from tests.project import STAGES, Project


@pytest.fixture
def here(finished: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(finished.root)
    return finished


def found(answer: Answer) -> list[tuple[str, str]]:
    return [(one.kind, one.where) for one in answer.findings]


def notes(answer: Answer) -> dict[str, str]:
    return {one.where: one.what for one in answer.notes}


def test_an_untouched_project_is_intact_and_says_how_much_was_checked(here: Project) -> None:
    done = here.audit("verify", "--deep", "--json")
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    answer = json.loads(done.stdout)
    assert answer["intact"] and answer["findings"] == []
    assert [one["where"] for one in answer["notes"]] == ["text_dense"]
    checked = answer["checked"]
    files = [path for path in (here.root / "results").rglob("*") if path.is_file()]
    assert checked["results"] == len([path for path in files if "lancedb" not in path.parts])
    assert checked["source videos"] == here.manifest("corpus")["counts"]["videos"]
    assert checked["index rows"] == here.manifest("encode")["counts"]["indexed"]
    assert checked["MLflow runs"] == 9
    with sqlite3.connect(here.root / "mlflow.db") as database:
        for table in ("params", "metrics"):
            (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert checked[f"MLflow {table}"] == count
    assert answer["commit"] == here.run("git", "rev-parse", "HEAD").strip()
    assert all(len(runs) == 1 for runs in answer["runs"].values())


def test_the_table_names_what_is_wrong_and_the_exit_code_says_it(here: Project) -> None:
    (here.root / "results/mine/negatives.jsonl").write_text("{}\n", encoding="utf-8")
    (here.root / "results/train/[bold]extra\x1b[31m").write_text("x", encoding="utf-8")
    done = here.audit("verify")
    assert done.returncode == 1
    assert "results/mine/negatives.jsonl" in done.stdout and "[bold]extra" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("not intact: 1 altered, 1 extra")


def test_a_clone_without_mlflow_is_intact_and_says_what_was_not_checked(
    here: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = Project(tmp_path / "clone")
    here.run("git", "clone", "--quiet", str(here.root), str(clone.root))
    monkeypatch.chdir(clone.root)
    assert {where for _, where in found(verify())} == {f"results/{stage}" for stage in STAGES}
    Path(".dvc/config.local").write_text(
        f"[core]\n    remote = kept\n['remote \"kept\"']\n    url = {here.root / '.dvc/cache'}\n", encoding="utf-8"
    )
    clone.run("dvc", "pull", "--quiet")
    answer = verify()
    assert answer.findings == [] and list(notes(answer)) == ["MLflow"]


def test_no_results_is_a_clear_line(here: Project) -> None:
    shutil.rmtree("results")
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match="no results"):
        verify()
    Path("dvc.yaml").unlink()
    with pytest.raises(UserError, match=r"dvc\.yaml is missing"):
        verify()


READ = {  # what other checks read, and what is said not to be checked without it
    "results/corpus/manifest.parquet": "source videos",
    "results/encode/documents.parquet": "results/encode/lancedb by results/encode/documents.parquet",
    "results/encode/index.manifest.json": "results/encode/lancedb by results/encode/index.manifest.json",
    "results/evaluate/metrics.json": "MLflow's metrics of evaluate",
    "results/train/loss.csv": "MLflow's metrics of train",
}


def test_damage_to_what_other_checks_read_is_named_and_they_are_said_to_be_left_out(here: Project) -> None:
    for path, unchecked in READ.items():
        kept = Path(path).read_bytes()
        for content in (b"", b"\xff\x00garbage", b"[1]"):
            Path(path).write_bytes(content)
            answer = verify()
            assert {where for _, where in found(answer)} == {path}
            assert unchecked in notes(answer)
        Path(path).write_bytes(kept)


def test_what_deep_cannot_read_is_said(here: Project) -> None:
    for path in ("evaluate/runs/tuned.trec", "evaluate/per_query.parquet", "encode/vectors/tuned.queries.parquet"):
        kept = Path("results", path).read_bytes()
        Path("results", path).write_bytes(b"\xff\x00garbage")
        answer = verify(deep=True)
        assert {where for _, where in found(answer)} == {f"results/{path}"}
        assert any(where.endswith("computed again") for where in notes(answer))
        Path("results", path).write_bytes(kept)


def test_a_record_that_cannot_be_read_is_one_finding(here: Project) -> None:
    for path in ("results/train/manifest.json", "dvc.lock", "results/encode/manifest.json"):
        kept = Path(path).read_bytes()
        for content in (b"\xff\x00", b"[1]", b'{"stage": "train", "stages": 3, "outputs": []}'):
            Path(path).write_bytes(content)
            assert {where for _, where in found(verify())} == {path}
        Path(path).write_bytes(kept)


def test_what_is_gone_from_dvc_lock_is_named(here: Project) -> None:
    text = Path("dvc.lock").read_text(encoding="utf-8")
    lock = yaml.safe_load(text)
    lock["stages"]["mine"]["deps"] = lock["stages"]["mine"]["deps"][1:]
    del lock["stages"]["encode"]["outs"][0], lock["stages"]["report"]
    before = yaml.safe_load(text)["stages"]
    Path("dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    assert sorted(found(verify())) == [
        ("missing", f"dvc.lock encode outs {before['encode']['outs'][0]['path']}"),
        ("missing", f"dvc.lock mine deps {before['mine']['deps'][0]['path']}"),
        ("missing", "dvc.lock report"),
    ]
    Path("dvc.lock").write_bytes(b"")
    assert {where for _, where in found(verify())} == {f"dvc.lock {stage}" for stage in before}


def test_a_lance_file_of_nonsense_is_a_finding_and_no_crash(here: Project) -> None:
    for path in sorted(Path("results/encode/lancedb").rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        for nonsense in (b"", b"\xff" * len(content), content[: len(content) // 2]):
            if nonsense != content:
                path.write_bytes(nonsense)
                answer = verify()
                assert ("altered", path.as_posix()) in found(answer)
        path.write_bytes(content)
    assert verify().intact


def test_without_dvcs_list_of_the_folder_the_index_is_named_as_a_whole(here: Project) -> None:
    shutil.rmtree(".dvc/cache")
    data = next(Path("results/encode/lancedb").rglob("*.lance/data/*"))
    data.write_bytes(data.read_bytes() + b"\0")
    assert ("altered", "results/encode/lancedb") in found(verify())


def test_changes_since_are_notes_and_no_damage(here: Project) -> None:
    code = Path("tasks/mine/filtering.py")
    code.write_text(code.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    Path("tasks/mine/new.py").write_text("", encoding="utf-8")
    here.change({"train.epochs": 2})
    answer = verify()
    assert answer.intact
    assert {"tasks/mine/filtering.py", "tasks/mine/new.py", "params.yaml train.epochs"} <= set(notes(answer))
    assert "it was 1, it is 2; read by train" in notes(answer)["params.yaml train.epochs"]
    assert all(one.kind == "changed since" for one in answer.notes)


def test_a_stage_that_ran_again_makes_the_next_stale_and_not_false(here: Project) -> None:
    here.change({"mine.source": "bm25"})
    assert here.repro("mine") == ["mine"]
    answer = verify()
    assert answer.findings == []
    stale = [one.what for one in answer.notes if one.where == "results/mine/manifest.json"]
    assert [what.split("`")[1] for what in stale] == ["dvc repro train", "dvc repro report"]


def test_rows_of_two_ids_that_were_swapped_are_named_without_mlflow(here: Project) -> None:
    tamperer = Tamperer(here.root, seed=3)
    Path("mlflow.db").unlink()
    for kind in (swap_transcripts, swap_frames, swap_vectors, swap_index_vectors) * 2:
        with tamperer.one(kind) as tampering:
            answer = verify()
        assert tampering.named(answer) and tampering.false(answer) == [], (tampering, found(answer))
    assert verify().findings == []


def test_rows_of_a_stage_that_is_stale_are_not_compared_with_those_it_did_not_read(here: Project) -> None:
    tamperer = Tamperer(here.root, seed=5)
    with tamperer.one(swap_transcripts):
        manifest = here.manifest("transcribe")  # as of a later run with another model
        manifest["components"]["numpy"] = "1.0"
        tamperer.write_manifest("transcribe", manifest)
        relock(tamperer, "transcribe")
        answer = verify()
    rows = {where for _, where in found(answer)}
    assert not any(where.startswith("results/encode/") for where in rows), rows
    assert "results/transcribe/manifest.json" in notes(answer)


def forge_report(here: Project) -> None:
    """Change a file of the last stage, which no other one read, and make its manifest and dvc.lock agree."""
    picture = Path("results/report/plots/systems.png")
    picture.write_bytes(picture.read_bytes() + b"\0")
    manifest = here.manifest("report")
    manifest["outputs"][picture.as_posix()] = {"sha256": sha256_file(picture), "bytes": picture.stat().st_size}
    write_json(Path("results/report/manifest.json"), manifest)
    lock = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))
    lock["stages"]["report"]["outs"][0]["md5"] = dvc_hash(Path("results/report"))
    Path("dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")


def test_a_forged_result_that_manifest_and_dvc_lock_agree_on_is_told_by_dvc_lock_of_head(here: Project) -> None:
    forge_report(here)
    assert sorted(found(verify())) == [
        ("altered", "results/report/manifest.json"),
        ("altered", "results/report/plots/systems.png"),
    ]


def test_a_forged_result_is_told_by_the_run_that_did_the_same_where_git_has_no_dvc_lock(here: Project) -> None:
    (run,) = verify().runs["report"]
    forge_report(here)
    here.run("git", "rm", "--quiet", "--cached", "dvc.lock")
    (here.root / ".gitignore").write_text("dvc.lock\n", encoding="utf-8")
    here.commit("without dvc.lock")
    answer = verify()
    named = {one.where: [*one.claims] for one in answer.findings}
    assert named[f"MLflow run {run} tag reeltrace.manifest"] == ["results/report/manifest.json"]
    assert named[f"MLflow run {run} tag dvc.outs results/report"] == ["dvc.lock report outs results/report"]
    assert all(where.startswith(f"MLflow run {run} ") for where in named)


def test_copies_of_a_run_that_are_gone_are_named_one_by_one(here: Project) -> None:
    (run,) = verify().runs["train"]
    copies = here.root / "mlruns" / "1" / run / "artifacts"
    names = {path.relative_to(copies).as_posix() for path in copies.rglob("*") if path.is_file()}
    shutil.rmtree(copies)
    assert set(found(verify())) == {("missing", f"MLflow run {run} artifact {name}") for name in names}
    shutil.rmtree(here.root / "mlruns")  # as on another machine, which has the database alone
    answer = verify()
    assert answer.findings == [] and "MLflow's copies" in notes(answer)


def test_a_folder_that_lies_elsewhere_is_read_through_its_link(here: Project, tmp_path: Path) -> None:
    shutil.move("results/extract/frames", tmp_path / "frames")
    Path("results/extract/frames").symlink_to(tmp_path / "frames")
    assert verify().findings == []
    strip = next((tmp_path / "frames").iterdir())
    strip.unlink()
    strip.write_bytes(b"x")
    assert {where for _, where in found(verify())} == {f"results/extract/frames/{strip.name}"}


def test_a_run_that_was_killed_lacks_what_it_lacks(here: Project) -> None:
    run = verify().runs["extract"][0]
    with sqlite3.connect("mlflow.db") as database:
        database.execute("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = ?", (run,))
        database.execute("DELETE FROM tags WHERE key = 'reeltrace.seal' AND run_uuid = ?", (run,))
        for table in ("metrics", "latest_metrics"):
            database.execute(f"DELETE FROM {table} WHERE key = 'count/failed' AND run_uuid = ?", (run,))
    answer = verify()
    assert answer.findings == [] and "running" in notes(answer)[f"MLflow run {run}"]
    with sqlite3.connect("mlflow.db") as database:  # what it has must be right all the same
        for table in ("metrics", "latest_metrics"):
            database.execute(f"UPDATE {table} SET value = 99 WHERE key = 'count/videos' AND run_uuid = ?", (run,))
    assert found(verify()) == [("altered", f"MLflow run {run} metric count/videos")]


def test_a_training_that_went_on_from_a_checkpoint_lacks_its_first_steps(here: Project) -> None:
    from tasks.lineage.records import read_records
    from tasks.shared.execution.tracking import seal

    run = verify().runs["train"][0]
    with sqlite3.connect("mlflow.db") as database:
        database.execute("DELETE FROM metrics WHERE step BETWEEN 1 AND 10 AND run_uuid = ?", (run,))
    kept = read_records("sqlite:///mlflow.db", Path(), [run])[run]
    with sqlite3.connect("mlflow.db") as database:
        database.execute(
            "UPDATE tags SET value = ? WHERE key = 'reeltrace.seal' AND run_uuid = ?",
            (seal(kept.params, kept.metrics), run),
        )
    answer = verify()
    assert answer.findings == [] and "before 11" in notes(answer)[f"MLflow run {run}"]


def test_a_damaged_database_is_said(here: Project) -> None:
    content = Path("mlflow.db").read_bytes()
    Path("mlflow.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000 + content[5016:])
    assert ("unreadable", "mlflow.db") in found(verify())


def test_deep_finds_numbers_that_do_not_follow_from_the_rankings(here: Project) -> None:
    path = Path("results/evaluate/metrics.json")
    scores: Any = json.loads(path.read_text(encoding="utf-8"))
    scores["systems"]["tuned"]["nDCG@10"] += 0.1
    scores["tests"]["base"]["p_holm"] = 0.001
    path.write_text(json.dumps(scores), encoding="utf-8")
    run = Path("results/evaluate/runs/base.trec")
    lines = run.read_text(encoding="utf-8").splitlines()
    query, _, video, rank, _, system = lines[0].split()
    run.write_text("\n".join([f"{query} Q0 {video} {rank} 0.123 {system}", *lines[1:]]) + "\n", encoding="utf-8")
    wheres = [where for _, where in found(verify(deep=True))]
    assert "results/evaluate/metrics.json systems tuned/nDCG@10" in wheres
    assert "results/evaluate/metrics.json tests base/p_holm" in wheres
    assert f"results/evaluate/runs/base.trec query {query} video {video}" in wheres
    assert not any("bm25" in where for where in wheres)


def test_deep_ranks_by_bm25_from_what_is_written_and_said(here: Project) -> None:
    run = Path("results/evaluate/runs/bm25.trec")
    lines = run.read_text(encoding="utf-8").splitlines()
    query, _, best, _, score, _ = lines[0].split()
    run.write_text(
        "\n".join([lines[0].replace(score, str(float(score) * 1.00001)), *lines[2:]]) + "\n", encoding="utf-8"
    )
    wheres = {(kind, where) for kind, where in found(verify(deep=True)) if where.startswith(f"{run} ")}
    lost, _, second, *_ = lines[1].split()
    assert wheres == {
        ("altered", f"{run} query {query} video {best}"),
        ("missing", f"{run} query {lost} video {second}"),
    }


def test_deep_ranks_from_the_rows_of_the_index(here: Project) -> None:
    import lancedb

    table = lancedb.connect("results/encode/lancedb").open_table("videos")
    rows = table.to_arrow()
    video, vector = rows.column("video_id")[0].as_py(), rows.column("vector")[0].as_py()
    table.update(where=f"video_id = '{video}'", values={"vector": [-one for one in vector]})
    wheres = [where for _, where in found(verify(deep=True))]
    assert f"results/encode/lancedb row {video}" in wheres
    rankings = [where for where in wheres if where.startswith("results/evaluate/runs/tuned.trec")]
    assert rankings and all(where.endswith(f"video {video}") for where in rankings)


def test_a_revision_is_verified_in_dvcs_cache(here: Project) -> None:
    assert verify(rev="HEAD", deep=True).findings == []
    lock = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))
    md5 = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    cache = Path(".dvc/cache/files/md5")
    listing = json.loads((cache / md5["results/train"][:2] / md5["results/train"][2:]).read_text(encoding="utf-8"))
    loss = next(one["md5"] for one in listing if one["relpath"] == "loss.csv")
    shutil.rmtree("results")  # the workspace does not matter
    _write(cache / loss[:2] / loss[2:], b"step,loss\n")
    per_query = md5["results/evaluate/per_query.parquet"]
    (cache / per_query[:2] / per_query[2:]).unlink()
    runs = md5["results/evaluate/runs"]
    _write(cache / runs[:2] / runs[2:], b"[]")
    assert sorted(found(verify(rev="HEAD"))) == [
        ("altered", "results/evaluate/runs"),
        ("altered", "results/train/loss.csv"),
        ("missing", "results/evaluate/per_query.parquet"),
    ]


def _write(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)
