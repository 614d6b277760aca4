"""Is tuned better than its base and the baselines over several seeds, and are other params better than these?

A seed decides the demo's events, videos and queries, the base and the training. Without arms the systems of the
pipeline as params.yaml has it are compared, and with evaluate.fusion every fusion with the joint vector of its system;
with arms the tuned systems of each, paired, against those of the first:

    .venv/bin/python -m benchmarks.seeds 7 8 9
    .venv/bin/python -m benchmarks.seeds 7 8 9 10 11 --at ~/seeds --csv negatives.csv \\
        --arm dense --arm bm25 mine.source=bm25 --arm random mine.source=random --arm omni mine.source=omni
    .venv/bin/python -m benchmarks.seeds 7 8 9 10 11 --at ~/seeds --csv objectives.csv --set evaluate.directions=true \\
        --arm recipe --arm objectives train.objectives.tuple=1 train.objectives.teacher=1 train.objectives.alignment=1

HEAD is what runs: commit first. With --at what is finished stays: the same command again goes on where it was stopped,
and other arms share what they have in common.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.across_seeds import standings, table
from benchmarks.arms import AVERAGES, FUSED, Arm, Outcome, described, outcome
from benchmarks.clones import REPOSITORY
from tasks.shared.artifacts.scores import HEADLINE, METRICS, SYSTEMS
from tasks.shared.execution.params_file import assignment
from tasks.shared.runtime import git
from tasks.shared.runtime.files import read_json

OF_QUERIES = (HEADLINE, *FUSED.values())
MEASURES = (*OF_QUERIES, *AVERAGES)


def main() -> None:
    """Run every arm of every seed, a line for each, then the comparison."""
    parser = _parser()
    given = parser.parse_args()
    common = dict(given.changes)
    arms = [Arm(name, {**common, **dict(map(assignment, rest))}) for name, *rest in given.arms or [["params.yaml"]]]
    if len({arm.name for arm in arms}) < len(arms):
        parser.error("two arms have one name; give each a name of its own")
    commit = git.commit_of("HEAD", REPOSITORY)  # all of it, whatever is committed meanwhile
    with tempfile.TemporaryDirectory() as folder:
        place = given.at or Path(folder)
        found: dict[str, list[Outcome]] = {arm.name: [] for arm in arms}
        for seed in given.seeds:
            for arm in arms:
                print(f"seed {seed}, {arm.name} ({described(arm)}) ...", flush=True)
                one, fresh = outcome(place, commit, seed, arm)
                found[arm.name].append(one)
                print(_line(one, fresh), flush=True)
    for measure in MEASURES:
        contestants = _arms(found, measure) if given.arms else _systems(found[arms[0].name], measure)
        if contestants:
            units = sum(map(len, next(iter(contestants.values()))))
            print(f"\n{len(given.seeds)} seeds, {units} {'queries' if measure in OF_QUERIES else 'videos'} in all")
            print(table(measure, standings(contestants)))
    for system in [] if given.arms else SYSTEMS:
        if len(methods := _methods(found[arms[0].name], system)) > 1:
            print(f"\n{system}, by fusion")
            print(table(HEADLINE, standings(methods)))
    if given.csv:
        _write(given.csv, given.seeds, arms, found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.seeds", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="*", type=int, default=[7, 8, 9])
    parser.add_argument(
        "--arm", dest="arms", nargs="+", action="append", metavar=("NAME", "KEY=VALUE"), help="params of one arm"
    )
    parser.add_argument(
        "--set", dest="changes", action="append", default=[], type=assignment, metavar="KEY=VALUE", help="of every arm"
    )
    parser.add_argument("--at", type=Path, metavar="DIR", help="keep clones, caches and what is finished here")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a row for every seed, arm, system and measure")
    return parser


def _systems(by_seed: Sequence[Outcome], measure: str) -> dict[str, list[Mapping[str, float]]]:
    """Each system's values, tuned first."""
    there = [system for system in SYSTEMS if measure in by_seed[0].values.get(system, {})]
    return {system: [one.values[system][measure] for one in by_seed] for system in there}


def _methods(by_seed: Sequence[Outcome], system: str) -> dict[str, list[Mapping[str, float]]]:
    """A system's values by the joint vector, and by every fusion that there is."""
    there = by_seed[0].values.get(system, {})
    measures: dict[str, str] = {"joint": HEADLINE, **{str(method): name for method, name in FUSED.items()}}
    return {method: [one.values[system][name] for one in by_seed] for method, name in measures.items() if name in there}


def _arms(found: Mapping[str, Sequence[Outcome]], measure: str) -> dict[str, list[Mapping[str, float]]]:
    """The tuned values of each arm that has any, the first arm first."""
    return {
        name: [one.values["tuned"][measure] for one in by_seed]
        for name, by_seed in found.items()
        if all(measure in one.values["tuned"] for one in by_seed)
    }


def _line(one: Outcome, fresh: bool) -> str:
    """What came of an arm with a seed: every system's means, and by query type."""
    means = "  ".join(f"{system} {one.mean(system, HEADLINE):.3f}" for system in SYSTEMS if system in one.values)
    others = (*FUSED.values(), *AVERAGES)
    more = "".join(f"  {name} {one.mean('tuned', name):.3f}" for name in others if name in one.values["tuned"])
    took = "restored" if one.train_seconds is None else f"training {one.train_seconds:.0f} s"
    parts = read_json(one.folder / METRICS)["slices"].get("query_type", {})
    kinds = "  ".join(
        f"{kind} " + "/".join(f"{part['systems'][system][HEADLINE]:.2f}" for system in SYSTEMS if system in one.values)
        for kind, part in parts.items()
    )
    return f"    {means}{more}  ({took if fresh else f'finished before, {took}'})\n    by query type: {kinds}"


def _write(path: Path, seeds: Sequence[int], arms: Sequence[Arm], found: Mapping[str, Sequence[Outcome]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["seed", "arm", "system", "measure", "mean", "of", "train_seconds", "commit", "changes"])
        for arm in arms:
            for seed, one in zip(seeds, found[arm.name], strict=True):
                for system, measures in one.values.items():
                    for measure, values in measures.items():
                        mean, changes = f"{one.mean(system, measure):.6f}", json.dumps(arm.changes, sort_keys=True)
                        row = [seed, arm.name, system, measure, mean, len(values), one.train_seconds]
                        rows.writerow([*row, one.commit, changes])


if __name__ == "__main__":
    main()
