"""What stages made in the worktree against what their manifests recorded: two states, compared as `diff` does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.audit.change import Change, changes
from tasks.audit.diff.pair import Pair, compare_files
from tasks.audit.recorded import identities, recorded_file
from tasks.audit.reproduce.amounts import Amount, amount
from tasks.audit.text import shortened
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, manifest_path
from tasks.lineage.open import published
from tasks.shared.artifacts.index import DATABASE, TABLE, describe, read_index_manifest
from tasks.shared.artifacts.types import RESULTS

if TYPE_CHECKING:
    from tasks.audit.reproduce.plan import Plan

Verdict = Literal["identical bytes", "same outputs, another manifest", "differs", "not made", "taken as recorded"]


@dataclass(frozen=True)
class FileDifference:
    """An output that is not as recorded.

    Attributes:
        recorded, made: sha256; None for a file that is only in the other.
        amount: how much differs; None where only one is to be had, and `reason` says why.
    """

    path: str
    recorded: str | None
    made: str | None
    amount: Amount | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Comparison:
    """A stage's recorded result against the one made here.

    Attributes:
        recorded, made: sha256 of its manifest; made is None where it was not run or did not finish.
        files: how many outputs were compared.
        differing: those that are not as recorded; of very many the first.
        manifest_differs: entries of the manifest that are not as recorded, those of outputs aside.
        runs: ids of MLflow's runs that published the recorded result.
        outs: DVC's hashes of the recorded outputs.
        seconds: of this run of the stage.
    """

    stage: str
    verdict: Verdict
    recorded: str
    made: str | None = None
    files: int = 0
    differing: list[FileDifference] = field(default_factory=list)
    manifest_differs: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    outs: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None


def compare(plan: Plan, root: Path, seconds: Mapping[str, float]) -> list[Comparison]:
    """Compare the stages that were run below `root` with their record."""
    there = [stage for stage in plan.again if (root / manifest_path(stage)).is_file()]
    pair, found = Pair(plan.lineage, published(there, root / RESULTS)), []
    for stage in plan.executions:
        names = identities(plan.lineage, stage, plan.runs[stage])
        known = {"recorded": names["manifest"], "runs": names["runs"], "outs": names["dvc"]}
        known["seconds"] = seconds.get(stage)
        if stage in there:
            found.append(_compare(pair, stage, known))
        else:
            found.append(Comparison(stage, "not made" if stage in plan.again else "taken as recorded", **known))
    return found


def _compare(pair: Pair, stage: str, known: dict[str, Any]) -> Comparison:
    recorded, made = pair.a.execution(stage), pair.b.execution(stage)
    files = compare_files(pair, stage)
    differing = [_difference(pair, one) for one in files.named]
    differing += _index(pair.b, made)
    same: Verdict = "identical bytes" if made.digest == recorded.digest else "same outputs, another manifest"
    return Comparison(
        stage,
        "differs" if differing else same,
        made=made.digest,
        files=files.equal + files.added + files.changed,
        differing=differing,
        manifest_differs=_manifest_differences(recorded, made),
        **known,
    )


def _manifest_differences(recorded: Execution, made: Execution) -> list[str]:
    """Entries that differ, as `components.torch: 2.12 recorded, 2.13 here`; inputs by their paths."""

    def brief(value: Any) -> str:
        return "nothing" if value is None else shortened(str(value), 40)

    found = [
        f"{part}.{one.key}: {brief(one.a)} recorded, {brief(one.b)} here"
        for part in ("params", "code", "components", "counts")
        for one in changes(getattr(recorded, part), getattr(made, part))
    ]
    return found + [f"input {one.key}" for one in changes(recorded.used, made.used)]


def _difference(pair: Pair, file: Change) -> FileDifference:
    found = (file.key, file.a, file.b)
    if file.how != "changed":
        return FileDifference(*found, reason="made here only" if file.how == "added" else "not made here")
    try:
        return FileDifference(*found, amount(recorded_file(pair.a, file.key, file.a), pair.b.need(file.key)))
    except Exception as error:  # a reader of one format or another, on bytes that may be anything
        return FileDifference(*found, reason=f"not compared: {' '.join(str(error).split())}")


def _index(lineage: Lineage, made: Execution) -> list[FileDifference]:
    """The index, whose bytes are never the same: whether its rows are what its content manifest says."""
    database = (RESULTS / made.stage / DATABASE).as_posix()
    if database not in made.derived:
        return []
    import lancedb

    stated = read_index_manifest(lineage.results / made.stage)
    table = lancedb.connect(str(lineage.root / database)).open_table(TABLE).to_arrow()
    if describe(table, stated.encoding) == stated:
        return []
    return [FileDifference(database, None, None, reason="its rows are not what its content manifest says")]
