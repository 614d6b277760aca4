"""The answer to `diff A B`: where two states part, what differs, and what that does to the score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tasks.audit.diff.data import Items, data_difference
from tasks.audit.diff.effect import EffectDifference, effect_difference
from tasks.audit.diff.negatives import NegativesDifference, negatives_difference
from tasks.audit.diff.pair import Pair
from tasks.audit.diff.stages import StageDifference, causes, stage_differences
from tasks.audit.diff.training import ExposureDifference, checkpoint_difference, exposure_difference
from tasks.lineage.lineage import FINAL, Lineage
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.runtime.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Side:
    """One of the two states.

    Attributes:
        asked: as the user named it.
        dirty: tracked files that differ from the commit.
        manifest, runs: digest of the evaluate stage's manifest, and the MLflow runs that published it.
        notes: what must be known of it, such as stages that do not fit together.
    """

    asked: str
    name: str
    commit: str | None
    dirty: list[str]
    manifest: str | None
    runs: list[str]
    notes: list[str]


@dataclass(frozen=True)
class Difference:
    """Two states, compared.

    Attributes:
        identical: every stage has the same manifest in both; nothing else is filled in.
        parts: the stages where they part, in the DAG's order; of those, `same_result` published the same bytes.
        data: by table; None where a table cannot be compared.
        checkpoint: what is known of it in A and in B, by name.
        unknown: what could not be compared, and why.
        caveats: why the scores of A and B do not mean the same, where they do not.
    """

    headline: str
    a: Side
    b: Side
    identical: bool
    parts: list[str]
    same_result: list[str]
    stages: list[StageDifference]
    data: dict[str, Items | None] | None = None
    negatives: NegativesDifference | None = None
    exposures: ExposureDifference | None = None
    checkpoint: dict[str, list[Any]] | None = None
    effect: EffectDifference | None = None
    caveats: list[str] | None = None
    unknown: list[str] | None = None


def compare(asked: tuple[str, str], pair: Pair) -> Difference:
    """Compare two states. Raises UserError where they have no stage in common that could be."""
    stages = stage_differences(pair)
    if all(one.kind == "unknown" for one in stages):
        raise UserError(f"nothing of {asked[0]} and {asked[1]} can be compared: {stages[0].reason}")
    sides = _side(asked[0], pair.a), _side(asked[1], pair.b)
    if all(one.kind == "same" for one in stages):
        head = (
            f"identical: every stage of A ({sides[0].name}) and B ({sides[1].name}) published the same manifest; "
            "whether the files are still as it says, `reeltrace audit verify` proves."
        )
        return Difference(head, *sides, identical=True, parts=[], same_result=[], stages=stages)
    unknown = [f"stage {one.stage}: {one.reason}" for one in stages if one.kind == "unknown"]

    def attempt(what: str, compared: Callable[[Pair], T]) -> T | None:
        try:
            return compared(pair)
        except UserError as error:
            unknown.append(f"{what}: {error}")
            return None

    data, effect = data_difference(pair, unknown), attempt("scores", effect_difference)
    scored = not any(line.startswith("scores:") for line in unknown)
    return Difference(
        headline(stages, effect, scored=scored),
        *sides,
        identical=False,
        parts=[one.stage for one in stages if one.kind == "parts"],
        same_result=[one.stage for one in stages if one.kind == "parts" and one.same_result],
        stages=stages,
        data=data,
        negatives=attempt("negatives", negatives_difference),
        exposures=attempt("exposures", exposure_difference),
        checkpoint=attempt("checkpoint", checkpoint_difference),
        effect=effect,
        caveats=_caveats(data, effect),
        unknown=unknown,
    )


def headline(stages: Sequence[StageDifference], effect: EffectDifference | None, *, scored: bool) -> str:
    """The sentence that says it all. `scored`: whether scores could be compared; without `effect` they are equal."""
    equal = f"every query scores the same {HEADLINE}" if scored else "the scores cannot be compared"
    return f"{_parting(stages)}; {_number(effect) if effect else equal}."


def _parting(stages: Sequence[StageDifference]) -> str:
    parting = [one for one in stages if one.kind == "parts"]
    unknown = ", ".join(one.stage for one in stages if one.kind == "unknown")
    if parting:
        results = [f"{one.stage}: {causes(one)}" for one in parting if not one.same_result]
        alike = [one.stage for one in parting if one.same_result]
        found = ["they part at " + ", and at ".join(results)] if results else []
        return "; ".join(found + ([f"same result, made differently: {', '.join(alike)}"] if alike else []))
    first = next((one for one in stages if one.kind == "inherited"), None)
    if first is None:
        return f"what can be compared is the same; {unknown} cannot"
    why = f"; {unknown} cannot be compared" if unknown else ", which is no longer as it was read"
    return f"{first.stage} read another {', '.join(first.inherits)}{why}"


def _number(effect: EffectDifference) -> str:
    one = effect.paired[effect.final]
    start = f"{effect.final} {HEADLINE} {one.a:.4f} -> {one.b:.4f}"
    if one.p is None:
        return f"{start}, equal on all {one.queries} queries"
    low, high = one.interval
    tested = sum(each.p is not None for each in effect.paired.values())
    p = f"p {one.p:.2g}" if tested == 1 else f"p {one.p:.2g}, {one.p_holm:.2g} by Holm over {tested} systems"
    return f"{start} ({one.difference:+.4f}, 95 % [{low:+.4f}, {high:+.4f}], {p}, {one.queries} queries)"


def _side(asked: str, lineage: Lineage) -> Side:
    manifest = lineage.executions.get(FINAL)
    runs = [one.run_id for one in lineage.runs_of(FINAL)]
    notes = [
        f"{link.reader} read another {link.artifact.path} than {link.maker} has here; `dvc repro` makes them fit"
        for link in lineage.broken()
    ]
    if lineage.tracking.problem:
        notes.append(f"no MLflow runs are listed: {lineage.tracking.problem}")
    return Side(asked, lineage.name, lineage.commit, lineage.dirty, manifest.digest if manifest else None, runs, notes)


def _caveats(data: Mapping[str, Items | None], effect: EffectDifference | None) -> list[str]:
    """Differences of the test itself: of what is asked, of what counts as right, and of what is searched."""
    found = []
    if effect and (effect.only_a or effect.only_b):
        found.append(
            f"{len(effect.only_a)} queries were scored in A only and {len(effect.only_b)} in B only: "
            "the paired numbers leave them out, the plain means do not"
        )
    for side, names in (("A", effect.systems_a), ("B", effect.systems_b)) if effect else ():
        found += [f"{', '.join(names)} ranked in {side} only"] if names else []
    videos, asked, judged = (data[name] for name in ("videos", "queries", "judgments, test"))
    if judged and judged.differ:
        queries = {pair.split(" ")[0] for pair in [*judged.added, *judged.removed, *judged.changed]}
        found.append(f"{len(queries)} test queries have other judgments in B")
    worded = sum(any(one.key == "text" for one in fields) for fields in asked.changed.values()) if asked else 0
    found += [f"{worded} queries have other words in B"] if worded else []
    if videos and (videos.added or videos.removed):
        found.append(f"B has {len(videos.added)} videos more and {len(videos.removed)} fewer than A")
    return found
