"""What `dvc repro` would do after a change, stage by stage: which run, and how much of each is really made again."""

from __future__ import annotations

from pathlib import Path

from tasks.audit.impact.change import Change, Likely, Runs, StageForecast
from tasks.audit.impact.effects import READ, TABLES, Effects
from tasks.audit.impact.recompute import recompute
from tasks.audit.impact.replay import restored
from tasks.audit.impact.state import State
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.pipeline import StageSpec
from tasks.shared.runtime.errors import UserError

WORDS: dict[Likely, Runs] = {Likely.YES: "yes", Likely.MAYBE: "may be skipped", Likely.NO: "no"}


def forecast(state: State, change: Change) -> list[StageForecast]:
    """Every stage in the order of dvc.yaml.

    DVC runs a stage whose params or any of whose dependencies have another hash. A stage that runs because what it
    reads changed always publishes another manifest, which names what it read; so only those are skipped that depend
    on single files of a stage, and those files come out the same.
    """
    effects = Effects(state, change)
    changed: dict[Path, Likely] = {}
    remembered = restored(state.lineage, change)
    found = []
    for stage, spec in state.lineage.stages.items():
        params = [entry for entry in spec.params if change.touches(entry)]
        deps = {dep: likely for dep in spec.deps if (likely := _changes(dep, changed))}
        runs = max([*deps.values(), Likely.YES if params or _source(stage, change) else Likely.NO])
        if runs:
            changed |= _outs(spec, runs, effects)
        because = [f"params {entry}" for entry in params] + [dep.as_posix() for dep in deps]
        if _source(stage, change):
            because.insert(0, state.params["corpus"]["path"])
        if stage in remembered:
            reason = "it was run before on the same: DVC checks that out from its run cache"
            found.append(StageForecast(stage, "restored", [], because, reason))
        else:
            found.append(_told(stage, runs, because, effects))
    return found


def _source(stage: str, change: Change) -> bool:
    """Whether what changes is what the corpus stage reads."""
    return stage == "corpus" and bool(change.videos or change.queries)


def _changes(dep: Path, changed: dict[Path, Likely]) -> Likely:
    overlapping = (one for path, one in changed.items() if dep == path or dep in path.parents or path in dep.parents)
    return max(overlapping, default=Likely.NO)


def _outs(spec: StageSpec, runs: Likely, effects: Effects) -> dict[Path, Likely]:
    """Outputs that become others when a stage runs; of the stages of which single files are read, by file."""
    folder = RESULTS / spec.name
    if spec.name == "corpus":
        tables = {folder / name: effects.table(name) for name in TABLES}
        return {folder / MANIFEST: runs} | {path: likely for path, likely in tables.items() if likely}
    outs = dict.fromkeys(spec.outs, runs)
    if spec.name == "encode":
        vectors = _vectors(effects)
        of_content = [folder / name for name in ("vectors", "lancedb", "documents.parquet", "index.manifest.json")]
        outs |= {path: min(runs, vectors) for path in of_content}
        outs[folder / "failures.jsonl"] = min(runs, Likely.MAYBE)
    return {path: likely for path, likely in outs.items() if likely}


# what the index's manifest states, whatever becomes of the vectors: evaluation reads it
STATED = ("encode.dtype", *READ["documents"], *READ["queries"])


def _vectors(effects: Effects) -> Likely:
    """Whether vectors become others: those of other content, of other weights, or of videos that are gone."""
    change = effects.change
    if change.removed and any(one.split == "test" for one in change.videos):
        return Likely.YES
    if effects.in_part.fewer:
        return Likely.YES
    parts = [effects.asked, effects.in_part.anew, *(effects.weights(one) for one in effects.state.encoders)]
    found = max(effects.indexed.rows, *(one.likely for one in parts))
    others = any(effects.encoding(what) for what in ("documents", "queries"))
    if found is Likely.NO and (others or effects.said or effects.written or effects.corpus):
        return Likely.YES if effects.touched(*STATED) else Likely.MAYBE
    return found


def _told(stage: str, runs: Likely, because: list[str], effects: Effects) -> StageForecast:
    if not runs:
        return StageForecast(stage, WORDS[runs], [], [], "nothing that it depends on changes")
    try:
        shares, reason = recompute(stage, effects)
    except UserError as error:
        shares, reason = [], f"how much cannot be told: {error}"
    return StageForecast(stage, WORDS[runs], shares, because, reason)
