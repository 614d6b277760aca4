"""Rankings as TREC runs: `results/evaluate/runs/<system>.trec`."""

from __future__ import annotations

from pathlib import Path

from tasks.shared.artifacts.types import RESULTS, Run
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import lines_starting, write_text

FOLDER = RESULTS / "evaluate"
RUNS = "runs"


def write_run(folder: Path, system: str, run: Run) -> None:
    """Write `runs/<system>.trec`: `query Q0 video rank score system`, queries by id, videos best first. Scores have
    enough digits to distinguish any two float32, so sorting them again after reading gives the order written: by score,
    and equal scores by video id, both descending, as trec_eval does."""
    import numpy as np

    lines = []
    for query_id in sorted(run):
        for rank, (video_id, score) in enumerate(run[query_id].items(), start=1):
            shortest = np.format_float_positional(np.float32(score), trim="0")
            lines.append(f"{query_id} Q0 {video_id} {rank} {shortest} {system}\n")
    write_text(folder / RUNS / f"{system}.trec", "".join(lines))


def read_run(system: str, folder: Path = FOLDER) -> Run:
    """A run as written. Raises UserError where the file is missing or a line does not have six fields."""
    path = folder / RUNS / f"{system}.trec"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    run: Run = {}
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            query_id, _, video_id, _, score, _ = line.split()
            run.setdefault(query_id, {})[video_id] = float(score)
        except ValueError:
            raise UserError(f"{path}:{number}: not a line of a TREC run; restore it with `dvc checkout`") from None
    return run


def read_ranking(system: str, query_id: str, folder: Path = FOLDER) -> dict[str, float]:
    """What a system ranked for one query, best first, without parsing the rest of its run."""
    fields = [line.split() for line in lines_starting(folder / RUNS / f"{system}.trec", query_id)]
    return {one[2]: float(one[4]) for one in fields if len(one) == 6}
