"""What `dvc repro` would do after a change: which stages run, and how many items each makes at most.

Every stage's own plan says that, asked of a results folder as the change would make it. A stage whose result cannot be
told has no folder there: a plan that needs it fails, and then any of its items may be made.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from tasks.audit.impact.change import Change, params_of
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import Params, checked_params
from tasks.shared.execution.pipeline import StageSpec
from tasks.shared.execution.plan import Plan
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file

Runs = Literal["yes", "may be skipped", "no"]  # skipped where what it reads may come out the same
Plans = Sequence[Plan[Any]]
WHOLE = "made whole: it keeps no items"


@dataclass(frozen=True)
class Made:
    """Items of one kind that a stage makes."""

    what: str
    most: int | None  # of all; None where the new value of a param decides it
    of: int
    exact: bool  # whether it is this number, and not fewer


@dataclass(frozen=True)
class StageForecast:
    """What `dvc repro` would do with one stage."""

    stage: str
    runs: Runs  # whether its program is started
    makes: list[Made]  # all other items come from the item store; empty where it does not run
    because: list[str]  # what it depends on that changes: params and paths
    reason: str  # what to know of the numbers


def forecast(lineage: Lineage, change: Change) -> list[StageForecast]:
    """Every stage in the order of dvc.yaml. Raises UserError where the params of the state are not of this version."""
    with tempfile.TemporaryDirectory() as folder:
        under_way = _Forecast(lineage, change, Path(folder))
        return [under_way.stage(name, spec) for name, spec in lineage.stages.items()]


class _Forecast:
    """A forecast under way."""

    def __init__(self, lineage: Lineage, change: Change, root: Path) -> None:
        self.lineage = lineage
        self.change = change
        self.present, self.root = lineage.results.absolute(), root  # results as they are, and as they would be
        self.before = checked_params(params_of(lineage), f"params of {lineage.name}")
        self.after = checked_params(params_of(lineage, change.params), f"params of {lineage.name}")
        self.running: dict[str, Runs] = {}  # stages that run or may run
        self.unknown: list[str] = []  # stages of whose result something is not known

    def stage(self, name: str, spec: StageSpec) -> StageForecast:
        """What becomes of a stage, those before it being known; its result is laid into `root`."""
        because = [f"params {entry}" for entry in spec.params if self.change.touching(entry)]
        if name == "corpus" and (self.change.videos or self.change.queries):
            because.insert(0, self.before.corpus.path)
        deps = {dep.as_posix(): how for dep in spec.deps if (how := self._changes(dep)) != "no"}
        runs: Runs = "yes" if because or "yes" in deps.values() else "may be skipped" if deps else "no"
        makes, reason = list[Made](), "nothing that it depends on changes"
        if runs == "no":
            self._link(name)
        else:
            self.running[name] = runs
            try:
                makes, reason = self._corpus() if name == "corpus" else self._items(name, spec)
            except UserError as error:
                self.unknown.append(name)
                reason = f"how much cannot be told: {error}"
        return StageForecast(name, runs, makes, [*because, *deps], reason)

    def _changes(self, dep: Path) -> Runs:
        """Whether something that a stage reads becomes other: a manifest does whenever its stage runs."""
        stage = dep.parts[1] if RESULTS in dep.parents else ""
        runs = self.running.get(stage, "no")
        if runs == "no" or dep in (RESULTS / stage, RESULTS / stage / MANIFEST):
            return runs
        if stage != "corpus":
            return "may be skipped"
        now, then = (results / dep.relative_to(RESULTS) for results in (self.present, self.root))
        return "no" if then.exists() and sha256_file(then) == sha256_file(now) else runs

    def _corpus(self) -> tuple[list[Made], str]:
        drawn = self.before.corpus.source == "demo" and self.change.touching("run.seed")
        if drawn or self.change.touching("corpus"):
            self.unknown.append("corpus")
            return [], "another corpus: how many items it has is not known before it is read"
        self._bring("corpus")
        self.change.write_corpus(self.present / "corpus", self.root / "corpus")
        if self.change.queries or (self.change.videos and not self.change.removed):
            self.unknown.append("corpus")
        return [], WHOLE

    def _items(self, name: str, spec: StageSpec) -> tuple[list[Made], str]:
        """What a stage makes by its plan, and what to know of that."""
        touched = [one for entry in spec.params for one in self.change.touching(entry)]
        now = self._plans(name, self.before, self.present)
        above = [one for one in self.lineage.upstream(name) if one in self.unknown]
        reason = "by the keys of its items and what the item store has of them"
        if above:
            reason = f"not known before: what {', '.join(above)} will publish"
        if not (given := all(one.given for one in touched)):
            reason = "how much depends on the new value, which was not given"
        if not given or (above and not (self.root / "corpus").exists()):
            self.unknown.append(name)
            return _made(name, now, None), reason
        known = {item.key for plan in now for item in plan.items}

        def lacking(plan: Plan[Any]) -> int:
            another = any(item.key not in known for item in plan.items)
            if above and plan.chunked and another:  # what is not known may divide units among items in another way
                return plan.size
            return sum(item.counts for item in plan.missing())

        try:
            then = self._plans(name, self.after, self.root)
            makes = _made(name, then, lacking, exact=not above)
        except UserError:
            if not above:
                raise
            then = self._plans(name, self.after, self.present)
            makes, known = _made(name, then, lambda plan: plan.size), set()
        ids = {item.key: item.id for plan in then for item in plan.items}
        changed = {one for key, one in ids.items() if key not in known}
        judged = any(dep.suffix == ".trec" and self._changes(dep) != "no" for dep in spec.deps)
        if ids and ids.keys() == known and not touched and not judged:  # judgments are in no key
            self._link(name)
        else:
            self._lay_expected(name, changed, certain=not touched and not changed)
        return makes, reason if makes else WHOLE

    def _plans(self, name: str, params: Params, results: Path) -> Plans:
        """A stage's plans with some params and of a results folder; none where it has no items."""
        plan = getattr(import_module(f"tasks.{name}.run"), "plan", None)
        for dep in self.lineage.stages[name].inputs if plan else ():
            self._bring(dep.parts[1])
        return plan(params, results) if plan else ()

    def _bring(self, stage: str) -> None:
        """Have what a stage published; in the workspace it lies there."""
        if self.lineage.objects is not None:
            self.lineage.need(*self.lineage.execution(stage).generated)

    def _link(self, name: str) -> None:
        if (self.present / name).is_dir():
            (self.root / name).symlink_to(self.present / name)

    def _lay_expected(self, name: str, changed: Collection[str], *, certain: bool) -> None:
        """What a stage would publish, as far as its room can tell; `certain` where nothing of that is made up."""
        write_expected = getattr(import_module(f"tasks.{name}.run"), "write_expected", None)
        with suppress(UserError):  # nothing is known of something that it follows from
            if write_expected:
                write_expected(self.after, self.before, changed, self.present, self.root)
                if certain:
                    return
        self.unknown.append(name)


def _made(stage: str, plans: Plans, most: Callable[[Plan[Any]], int] | None, *, exact: bool = False) -> list[Made]:
    """What plans make, by kind: `most` of each, or an unknown number."""
    of, makes = Counter[str](), Counter[str]()
    for plan in plans:
        what = f"{plan.unit}s" + (f" ({plan.store.step})" if plan.store.step != stage else "")
        of[what] += plan.size
        makes[what] += most(plan) if most else 0
    return [Made(what, makes[what] if most else None, size, exact) for what, size in of.items()]
