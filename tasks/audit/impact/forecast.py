"""What `dvc repro` would do after a change: which stages run, and how many items each makes at most.

Every stage's own plan says that, asked of a results folder as the change would make it (tasks.shared.execution.plan).
A stage whose result cannot be told has no folder there: a plan that needs it fails, and then any of its items may be
made.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from tasks.audit.impact.change import Change, params_of
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts import corpus
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import checked_params
from tasks.shared.execution.pipeline import StageSpec
from tasks.shared.execution.plan import Plan
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file

Runs = Literal["yes", "may be skipped", "no"]
Plans = Sequence[Plan[Any]]


@dataclass(frozen=True)
class Made:
    """Items of one kind that a stage makes: at most so many of all; None where the new value of a param decides it.

    `exact`: whether it is this number, and not fewer.
    """

    what: str
    most: int | None
    of: int
    exact: bool


@dataclass(frozen=True)
class StageForecast:
    """What `dvc repro` would do with one stage.

    Attributes:
        runs: whether its program is started; `may be skipped` where what it reads may come out the same.
        makes: items that it makes; all others come from the item store. Empty where it does not run.
        because: what it depends on that changes: params and paths.
        reason: what to know of the numbers.
    """

    stage: str
    runs: Runs
    makes: list[Made]
    because: list[str]
    reason: str


def forecast(lineage: Lineage, change: Change) -> list[StageForecast]:
    """Every stage in the order of dvc.yaml. Raises UserError where the params of the state are not of this version."""
    with tempfile.TemporaryDirectory() as folder:
        under_way = _Forecast(lineage, change, Path(folder))
        return [under_way.stage(name, spec) for name, spec in lineage.stages.items()]


class _Forecast:
    """A forecast under way.

    Attributes:
        present, root: the results folder as it is, and as it would be.
        running: stages that run or may run.
        unknown: those of whose result something is not known.
    """

    def __init__(self, lineage: Lineage, change: Change, root: Path) -> None:
        self.lineage = lineage
        self.change = change
        self.present, self.root = lineage.results.absolute(), root
        params = params_of(lineage)
        self.before = checked_params(params, f"params of {lineage.name}")
        self.after = checked_params(change.applied(params), f"params of {lineage.name}")
        self.running: dict[str, Runs] = {}
        self.unknown: list[str] = []

    def stage(self, name: str, spec: StageSpec) -> StageForecast:
        """What becomes of a stage, those before it being known; its result is laid into `root`."""
        touched = [one for entry in spec.params for one in self.change.touching(entry)]
        because = [f"params {entry}" for entry in spec.params if self.change.touching(entry)]
        if name == "corpus" and (self.change.videos or self.change.queries):
            because.insert(0, self.before.corpus.path)
        deps = {dep.as_posix(): how for dep in spec.deps if (how := self._changes(dep)) != "no"}
        runs: Runs = "yes" if because or "yes" in deps.values() else "may be skipped" if deps else "no"
        if runs == "no":
            self._lay_present(name)
            return StageForecast(name, runs, [], [], "nothing that it depends on changes")
        self.running[name] = runs
        makes: list[Made] = []
        try:
            if name == "corpus":
                reason = self._lay_corpus()
            elif all(one.given for one in touched):
                makes, reason = self._planned(name, spec, bool(touched))
            else:
                self.unknown.append(name)
                makes = _made(name, self._plans(name, now=True), known=None)
                reason = "how much depends on the new value, which was not given"
        except UserError as error:
            self.unknown.append(name)
            reason = f"how much cannot be told: {error}"
        return StageForecast(name, runs, makes, [*because, *deps], reason)

    def _changes(self, dep: Path) -> Runs:
        """Whether something that a stage reads becomes other: a manifest does whenever its stage runs."""
        for stage, runs in self.running.items():
            folder = RESULTS / stage
            if dep in (folder, folder / MANIFEST) or dep in folder.parents:
                return runs
            if folder in dep.parents:
                if stage != "corpus":
                    return "may be skipped"
                now, then = (results / dep.relative_to(RESULTS) for results in (self.present, self.root))
                return "no" if then.exists() and sha256_file(then) == sha256_file(now) else runs
        return "no"

    def _planned(self, name: str, spec: StageSpec, touched: bool) -> tuple[list[Made], str]:
        """What a stage makes by its plan, and what to know of that."""
        now = self._plans(name, now=True)
        if now is None:
            self._lay_expected(name, ())
            return [], "made whole: it keeps no items"
        above = [one for one in self.lineage.upstream(name) if one in self.unknown]
        reason = f"not known before: what {', '.join(above)} will publish" if above else ""
        if "corpus" in above and not (self.root / "corpus").exists():
            self.unknown.append(name)
            return _made(name, now, known=None), reason
        known = {item.key for plan in now for item in plan.items}
        try:
            then = self._plans(name) or []
            makes = _made(name, then, known, exact=not above)
        except UserError:
            if not above:
                raise
            then, known = self._plans(name, self.present) or [], set()
            makes = [replace(one, most=one.of) for one in _made(name, then, known)]
        keys = {item.key: item.id for plan in then for item in plan.items}
        changed = {one for key, one in keys.items() if key not in known}
        judged = any(dep.suffix == ".trec" and self._changes(dep) != "no" for dep in spec.deps)  # decides no key
        if keys and keys.keys() == known and not touched and not judged:
            self._lay_present(name)
        else:
            self._lay_expected(name, changed, certain=not touched and not changed)
        return makes, reason or "by the keys of its items and what the item store has of them"

    def _plans(self, name: str, results: Path | None = None, *, now: bool = False) -> Plans | None:
        """A stage's plans after the change, or as things are `now`; None where it has no items."""
        room = import_module(f"tasks.{name}.run")
        if not hasattr(room, "plan"):
            return None
        for dep in self.lineage.stages[name].inputs:
            self._bring(dep.relative_to(RESULTS).parts[0])
        plans: Plans = room.plan(self.before if now else self.after, self.present if now else results or self.root)
        return plans

    def _bring(self, stage: str) -> None:
        """Have what a stage published; in the workspace it lies there."""
        if self.lineage.objects is not None:
            self.lineage.need(*self.lineage.execution(stage).generated)

    def _lay_present(self, name: str) -> None:
        if (self.present / name).is_dir():
            (self.root / name).symlink_to(self.present / name)

    def _lay_expected(self, name: str, changed: Collection[str], *, certain: bool = False) -> None:
        """What a stage would publish, as far as its room can tell."""
        room = import_module(f"tasks.{name}.run")
        told = hasattr(room, "write_expected")
        try:
            if told:
                room.write_expected(self.after, self.before, changed, self.present, self.root)
        except UserError:  # nothing is known of something that it follows from
            told = False
        if not (told and certain):
            self.unknown.append(name)

    def _lay_corpus(self) -> str:
        drawn = self.before.corpus.source == "demo" and self.change.touching("run.seed")
        if drawn or self.change.touching("corpus"):
            self.unknown.append("corpus")
            return "another corpus: how many items it has is not known before it is read"
        self._bring("corpus")
        now, then, change = self.present / "corpus", self.root / "corpus", self.change
        then.mkdir()
        for path in now.glob("*.*"):
            (then / path.name).symlink_to(path)
        changed = {one.video_id for one in change.videos}
        if changed:
            videos = [one for one in corpus.read_videos(now / "manifest.parquet") if one.video_id not in changed]
            videos += [] if change.removed else [replace(one, sha256=f"other {one.sha256}") for one in change.videos]
            corpus.write_videos(then / "manifest.parquet", videos)
        for split in corpus.SPLITS if change.removed else ():
            judged = corpus.read_qrels(now / f"qrels.{split}.trec")
            left = [(query, one, value) for query, of in judged.items() for one, value in of.items()]
            kept = [corpus.Judgment(*one) for one in left if one[1] not in changed]
            corpus.write_qrels(then / f"qrels.{split}.trec", kept)
        if asked := {one.query_id for one in change.queries}:
            queries = [one for one in corpus.read_queries(now / "queries.parquet") if one.query_id not in asked]
            queries += [replace(one, text=f"other {one.text}") for one in change.queries]
            corpus.write_queries(then / "queries.parquet", queries)
        if (changed and not change.removed) or asked:
            self.unknown.append("corpus")
        return "made whole: it keeps no items"


def _made(stage: str, plans: Plans | None, known: Collection[str] | None, *, exact: bool = False) -> list[Made]:
    """What plans make that the store lacks, by kind.

    `known` are the keys of before; None where it is not known what the plans will be. Where a number is not `exact`, of
    items that hold several units any may be made if one is another.
    """
    found: dict[str, Made] = {}
    for plan in plans or ():
        what = f"{plan.unit}s" + (f" ({plan.store.step})" if plan.store.step != stage else "")
        one = found.get(what, Made(what, 0, 0, exact))
        if known is None or one.most is None:
            most = None
        elif plan.chunked and not exact and any(item.key not in known for item in plan.items):
            most = one.most + plan.size
        else:
            most = one.most + sum(item.counts for item in plan.missing())
        found[what] = replace(one, most=most, of=one.of + plan.size)
    return list(found.values())
