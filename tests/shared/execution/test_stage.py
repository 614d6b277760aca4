from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tasks.shared.artifacts.publish import read_manifest
from tasks.shared.execution.code import code_of
from tasks.shared.execution.items import CacheHits, read_cache_hits
from tasks.shared.execution.pipeline import dvc_hash
from tasks.shared.execution.stage import StageRun, limit_threads, main
from tasks.shared.runtime.errors import TransientError, UserError
from tasks.shared.runtime.files import sha256_file, write_text
from tests.conftest import Workspace

DVC_YAML = """
stages:
  mine:
    cmd: python -m tasks.mine
    deps: [tasks/shared/runtime/errors.py, results/corpus]
    params: [mine, run.seed]
    outs: [results/mine]
    meta: {tracked: [negatives.jsonl, not-there.csv]}
"""


@pytest.fixture
def toy(workspace: Workspace) -> Workspace:
    """A workspace whose DAG is one stage over one published input."""
    (workspace.root / "dvc.yaml").write_text(DVC_YAML)
    write_text(Path("results/corpus/queries.parquet"), "queries")
    write_text(Path("results/corpus/manifest.json"), "{}")
    return workspace


def good(stage: StageRun) -> None:
    write_text(stage.out / "negatives.jsonl", f"{stage.params.run.seed}\n")
    stage.counts = {"queries": 2, "dropped_positives": 1}
    stage.metrics = {"seconds": 1.5}


def outcome(work: Callable[[StageRun], None], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and what was said on standard error."""
    with pytest.raises(SystemExit) as ended:
        main("mine", work, ())
    return int(str(ended.value.code)), capsys.readouterr().err


def files() -> list[str]:
    return sorted(path.as_posix() for path in Path("results").rglob("*") if path.is_file())


def runs() -> list[str]:
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    return [run.info.status for run in client.search_runs([one.experiment_id for one in client.search_experiments()])]


def test_a_stage_publishes_and_tells_mlflow(toy: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    main("mine", good, ("pyarrow",))
    assert capsys.readouterr().out == "mine: 2 queries, 1 dropped positives\n"
    manifest = read_manifest("mine")
    assert set(manifest["params"]) == {"mine", "run.seed"}
    assert manifest["code"] == code_of("tasks.mine.__main__")
    assert list(manifest["inputs"]) == ["results/corpus/manifest.json"]
    assert list(manifest["outputs"]) == ["results/mine/negatives.jsonl"]
    assert manifest["counts"] == {"queries": 2, "dropped_positives": 1}

    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    (run,) = client.search_runs([client.get_experiment_by_name("reeltrace").experiment_id])
    path = Path("results/mine/manifest.json")
    assert run.info.status == "FINISHED"
    assert run.data.tags["reeltrace.manifest"] == sha256_file(path)
    assert json.loads(run.data.tags["reeltrace.inputs"]) == {
        "results/corpus/manifest.json": hashlib.sha256(b"{}").hexdigest()
    }
    assert json.loads(run.data.tags["dvc.outs"]) == {"results/mine": dvc_hash(Path("results/mine"))}
    assert json.loads(run.data.tags["dvc.deps"]) == {"results/corpus": dvc_hash(Path("results/corpus"))}
    assert run.data.metrics == {"count/queries": 2.0, "count/dropped_positives": 1.0, "seconds": 1.5}
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == {"manifest.json", "negatives.jsonl"}


def test_equal_work_gives_equal_bytes_and_another_param_does_not(toy: Workspace) -> None:
    main("mine", good, ())
    first = dvc_hash(Path("results/mine"))
    main("mine", good, ())
    assert dvc_hash(Path("results/mine")) == first
    toy.set_params({"run.seed": 8})
    main("mine", good, ())
    assert dvc_hash(Path("results/mine")) != first


def mistaken(stage: StageRun) -> None:
    write_text(stage.out / "half", "x")
    raise UserError("query q1 has no text; give it one")


def test_what_a_later_try_may_find_mended_has_an_exit_code_of_its_own(
    toy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    def unlucky(stage: StageRun) -> None:
        raise TransientError("the hub cannot be reached; try again later")

    assert outcome(unlucky, capsys) == (75, "mine: the hub cannot be reached; try again later\n")
    assert runs() == ["FAILED"]


def test_what_was_reused_is_a_line_and_a_metric_and_not_in_the_manifest(
    toy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    main("mine", good, ())
    before = Path("results/mine/manifest.json").read_bytes()
    capsys.readouterr()

    def reusing(stage: StageRun) -> None:
        good(stage)
        stage.reused = CacheHits(101, 104, "video")

    main("mine", reusing, ())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mine: 101 of 104 videos reused from the store"
    assert [read_cache_hits(line) for line in lines] == [("mine", CacheHits(101, 104, "video")), None]
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    found = client.search_runs([client.get_experiment_by_name("reeltrace").experiment_id])
    assert [run.data.metrics.get("items/reused") for run in found] == [101.0, None]  # the newest first
    assert Path("results/mine/manifest.json").read_bytes() == before


def out_of_space(stage: StageRun) -> None:
    write_text(stage.out / "half", "x")
    with Path("/dev/full").open("wb") as device:  # the system's own error
        device.write(b"x")


def out_of_space_in_a_library(stage: StageRun) -> None:
    raise RuntimeError("I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (mistaken, "mine: query q1 has no text; give it one\n"),
        (out_of_space, "mine: the disk is full (results); make room, rerun\n"),
        (out_of_space_in_a_library, "mine: the disk is full (results); make room, rerun\n"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_nothing_is_published(
    toy: Workspace, capsys: pytest.CaptureFixture[str], work: Callable[[StageRun], None], said: str
) -> None:
    main("mine", good, ())
    before = {name: Path(name).read_bytes() for name in files()}
    assert outcome(work, capsys) == (2, said)
    assert {name: Path(name).read_bytes() for name in files()} == before
    assert sorted(runs()) == ["FAILED", "FINISHED"]


def test_an_interruption_is_one_line(toy: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(stage: StageRun) -> None:
        raise KeyboardInterrupt

    code, said = outcome(interrupted, capsys)
    assert code == 130
    assert said.startswith("mine: interrupted")
    assert said.count("\n") == 1


def test_a_fault_of_ours_keeps_its_stack_trace_and_publishes_nothing(toy: Workspace) -> None:
    def faulty(stage: StageRun) -> None:
        write_text(stage.out / "half", "x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main("mine", faulty, ())
    assert files() == ["results/corpus/manifest.json", "results/corpus/queries.parquet"]
    assert runs() == ["FAILED"]


def test_a_missing_input_says_how_to_get_it(toy: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for path in Path("results/corpus").iterdir():
        path.unlink()
    Path("results/corpus").rmdir()
    code, said = outcome(good, capsys)
    assert code == 2
    assert "results/corpus is missing; run `dvc repro mine`" in said
    assert runs() == [], "no run is opened for work that cannot start"


def test_a_missing_path_of_the_users_is_not_something_dvc_makes(
    toy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (toy.root / "dvc.yaml").write_text(DVC_YAML.replace("results/corpus]", '"${corpus.path}"]'))
    toy.set_params({"corpus.path": "my videos"})
    code, said = outcome(good, capsys)
    assert code == 2
    assert said == "mine: my videos is missing; mend its path in params.yaml\n"


def test_a_typo_in_params_is_one_line(toy: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    path = toy.root / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("\nmine:", "\nmine:\n  dept: 10"), encoding="utf-8")
    assert outcome(good, capsys) == (2, "mine: params.yaml: unknown key mine.dept; did you mean depth?\n")


def test_outside_the_project(
    toy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = outcome(good, capsys)
    assert code == 2
    assert "run from the project's root" in said


def test_without_mlflow_the_stage_finishes_and_says_so(
    toy: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    main("mine", good, ())
    captured = capsys.readouterr()
    assert captured.out == "mine: 2 queries, 1 dropped positives\n"
    assert captured.err.count("\n") == 1
    assert "MLflow is out of reach" in captured.err
    assert read_manifest("mine")["counts"]["queries"] == 2


def test_mlflow_has_no_say_in_the_bytes(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    main("mine", good, ())
    tracked = dvc_hash(Path("results/mine"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    main("mine", good, ())
    assert dvc_hash(Path("results/mine")) == tracked


SLOW = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored from the start in a shell's background job
import time
from pathlib import Path
from tasks.shared.execution.stage import main
def work(stage):
    (stage.out / "half").write_text("x")
    Path("started").touch()
    time.sleep(60)
main("mine", work, ())
"""


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_stage_stopped_from_outside_publishes_nothing(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch, how: signal.Signals, code: int
) -> None:
    main("mine", good, ())
    before = dvc_hash(Path("results/mine"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with subprocess.Popen([sys.executable, "-c", SLOW], stderr=subprocess.PIPE, text=True) as program:
        while not Path("started").exists():
            assert program.poll() is None
            time.sleep(0.05)
        program.send_signal(how)
        assert program.wait(30) == code
        assert program.stderr is not None
        assert "Traceback" not in program.stderr.read()
    assert dvc_hash(Path("results/mine")) == before
    main("mine", good, ())
    assert [path.name for path in Path("results").iterdir() if path.name.startswith(".")] == []


def test_threads_are_bounded_though_numpy_is_there_already() -> None:
    import numpy  # noqa: F401
    from threadpoolctl import threadpool_info

    before = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
    try:
        for threads in (2, 1):
            limit_threads(threads)
            assert {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"} == {threads}
            assert os.environ["OMP_NUM_THREADS"] == str(threads)
            assert os.environ["OMP_WAIT_POLICY"] == "passive"
    finally:
        limit_threads(max(before, default=1))
