"""Running a stage: check the params, do the work in a folder beside, publish that, and record it in MLflow.

`python -m tasks.<stage>` comes here through the stage's `__main__.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from tasks.shared.artifacts.publish import input_files, publishing, write_manifest
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.code import code_of
from tasks.shared.execution.items import CacheHits
from tasks.shared.execution.params import Params, load_params
from tasks.shared.execution.pipeline import StageSpec, dvc_hash, read_stages
from tasks.shared.execution.profiles import deviations
from tasks.shared.execution.tracking import Tracker
from tasks.shared.runtime.errors import UserError, disk_full
from tasks.shared.runtime.files import read_json
from tasks.shared.runtime.gpu import gpus


@dataclass
class StageRun:
    """What a stage's work is given, and what it gives back beside the files in `out`."""

    spec: StageSpec
    params: Params
    out: Path  # write everything here; it becomes results/<stage>
    tracker: Tracker
    counts: dict[str, int] = field(default_factory=dict)  # items read, made, dropped, failed: for the manifest
    metrics: dict[str, float] = field(default_factory=dict)  # for MLflow
    inputs: list[Path] = field(default_factory=list)  # files read beyond what dvc.yaml lists under results/
    components: list[str] = field(default_factory=list)  # packages that these params need beyond the stage's own
    derived: list[str] = field(default_factory=list)  # folders in `out` whose bytes are not reproducible
    reused: CacheHits | None = None  # of a stage that keeps its items: for MLflow and standard output
    registered: str | None = None  # the artifact that becomes a version of the registered model
    until_end: ExitStack = field(default_factory=ExitStack)  # what is held as long as the stage runs
    _gpus: list[str] | None = None

    def take_gpus(self, count: int = 1) -> list[str]:
        """Hold `count` GPUs until the stage ends; wait while others hold them. Later calls return the same.

        Returns their UUIDs, which CUDA_VISIBLE_DEVICES then names in this order; none where there is no GPU. To be
        called before CUDA is asked anything, and only to load a model. Raises UserError where there are fewer GPUs, but
        any.
        """
        if self._gpus is None:
            self._gpus = self.until_end.enter_context(gpus(self.spec.name, count))
        return self._gpus


def main(stage: str, work: Callable[[StageRun], None], components: Iterable[str]) -> None:
    """Run a stage as a program: exit 0, or with one line on standard error 2 for what the user must correct, 75
    where a later try may succeed, 130 for an interruption."""
    try:
        run_stage(stage, work, components)
    except UserError as error:
        message, code = str(error), error.exit_code
    except KeyboardInterrupt:
        message, code = "interrupted; finished items are kept, the next run goes on from them", 130
    except Exception as error:
        if not disk_full(error):
            raise
        message, code = f"the disk is full ({getattr(error, 'filename', None) or RESULTS}); make room, rerun", 2
    else:
        return
    print(f"{stage}: {message}", file=sys.stderr)
    sys.exit(code)


def run_stage(stage: str, work: Callable[[StageRun], None], components: Iterable[str]) -> None:
    """Do a stage's work and publish it. Raises what the work raises, with nothing published."""
    params = load_params()
    spec = read_stages(params)[stage]
    for dep in spec.deps:
        if not dep.exists():
            makes = f"run `dvc repro {stage}`, which makes what comes before"
            raise UserError(f"{dep} is missing; {makes if RESULTS in dep.parents else 'mend its path in params.yaml'}")
    limit_threads(params.run.threads)
    tracker = Tracker(stage)
    settings = {key: params.section(key) for key in spec.params}
    tracker.params(settings)
    with ExitStack() as until_end:
        try:
            with publishing(stage) as out:
                run = StageRun(spec, params, out, tracker, until_end=until_end)
                work(run)
                inputs = [file for path in spec.inputs for file in input_files(path)] + run.inputs
                code, used = code_of(f"tasks.{stage}.__main__"), [*components, *run.components]
                write_manifest(
                    out, stage, params=settings, code=code, components=used, inputs=inputs, counts=run.counts,
                    derived=run.derived,
                )  # fmt: skip
            _track(tracker, spec, run)
        except BaseException:
            tracker.end("FAILED")
            raise
        tracker.end("FINISHED")
    if run.reused is not None:
        print(run.reused.line(stage))
    print(f"{stage}: " + ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in run.counts.items()))


def limit_threads(threads: int) -> None:
    """Bound BLAS, OpenMP and tokenizers before they start: the thread count decides the last bits of sums. Idle threads
    sleep: those that spin take the cores from others."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ |= {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threadpool_limits(threads)  # of NumPy, which came with pyarrow and has read the environment already


def _track(tracker: Tracker, spec: StageSpec, run: StageRun) -> None:
    folder = RESULTS / spec.name
    manifest = read_json(folder / "manifest.json")
    left = deviations(run.params.model_dump(mode="json"))
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    tags: dict[str, Any] = {
        "reeltrace.stage": spec.name,
        "reeltrace.profile": run.params.run.profile + (f", but {', '.join(left)}" if left else ""),
        "reeltrace.manifest": digest,
        "reeltrace.inputs": json.dumps({path: one["sha256"] for path, one in manifest["inputs"].items()}),
        "dvc.outs": json.dumps({out.as_posix(): dvc_hash(out) for out in spec.outs if out.exists()}),
        "dvc.deps": json.dumps({dep.as_posix(): dvc_hash(dep) for dep in spec.inputs}),
    }
    tracker.tags(tags)
    tracker.metrics({f"count/{name}": float(count) for name, count in run.counts.items()} | run.metrics)
    if run.reused is not None:
        tracker.metrics({"items/reused": float(run.reused.items)})
    tracker.artifact(folder / "manifest.json")
    for name in spec.tracked:
        if (folder / name).exists():
            tracker.artifact(folder / name)
    if run.registered:
        tracker.register(run.registered, {"reeltrace.manifest": digest})
