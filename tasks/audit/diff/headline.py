"""The sentence that says it all: where two states part, by what, and what that did to the score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.audit.diff.change import Change
from tasks.audit.diff.effect import EffectDifference
from tasks.audit.diff.stages import StageDifference
from tasks.audit.text import shortened
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.runtime.files import canonical_json

NAMED = 3  # differences of one kind that the sentence names
WIDTH = 60  # characters of a value


def headline(stages: Sequence[StageDifference], score: EffectDifference | None, *, scored: bool) -> str:
    """The sentence. `scored` is whether the scores could be compared; with no `score` they are equal."""
    number = _number(score) if score else f"every query scores the same {HEADLINE}" if scored else None
    return "; ".join(one for one in (_parting(stages), number or "the scores cannot be compared") if one) + "."


def _parting(stages: Sequence[StageDifference]) -> str:
    parting = [one for one in stages if one.kind == "parts"]
    results = [one for one in parting if not one.same_result]
    alike = [one for one in parting if one.same_result]
    said = []
    if results:
        said.append("they part at " + ", and at ".join(f"{one.stage}: {causes(one)}" for one in results))
    if alike:
        said.append(f"same result, made otherwise: {', '.join(one.stage for one in alike)}")
    if not parting:
        first = next((one for one in stages if one.kind == "inherited"), None)
        unknown = [one.stage for one in stages if one.kind == "unknown"]
        if first:
            why = f"; {', '.join(unknown)} cannot be compared" if unknown else ", which is no longer as it was read"
            said.append(f"{first.stage} read another {', '.join(first.inherits)}{why}")
        else:
            said.append(f"what can be compared is the same; {', '.join(unknown)} cannot")
    return "; ".join(said)


def causes(one: StageDifference) -> str:
    """What a stage differs by, in a few words."""
    found = [
        *_some("params", one.params, lambda each: f"{each.key} {value(each, 'a')} -> {value(each, 'b')}"),
        *_code(one.code),
        *_some("versions", one.components, lambda each: f"{each.key} {each.a or 'none'} -> {each.b or 'none'}"),
        *_some("external inputs", one.external, lambda each: f"{each.key} {each.how}"),
        *_some("inputs", one.reads, lambda each: f"{each.key} {'read' if each.how == 'added' else 'not read'} in B"),
    ]
    if found:
        return ", ".join(found)
    if one.outputs and not one.outputs.differ:
        return "its manifest only"
    return "other bytes from the same params, code, versions and inputs"


def value(change: Change, side: str) -> str:
    """A param as JSON, on one line; a side without it is `none`."""
    if change.how == ("added" if side == "a" else "removed"):
        return "none"
    return shortened(canonical_json(change.a if side == "a" else change.b), WIDTH)


def _code(found: Sequence[Change]) -> list[str]:
    if len(found) == 1:
        return [f"code {found[0].key} {found[0].how}"]
    return [f"{len(found)} code files"] if found else []


def _some(what: str, found: Sequence[Change], said: Callable[[Change], str]) -> list[str]:
    if len(found) <= NAMED:
        return [said(one) for one in found]
    return [*(said(one) for one in found[:NAMED]), f"and {len(found) - NAMED} more {what}"]


def _number(score: EffectDifference) -> str:
    one = score.paired[score.final]
    start = f"{score.final} {HEADLINE} {one.a:.4f} -> {one.b:.4f}"
    if one.p is None:
        return f"{start}, equal on all {one.queries} queries"
    low, high = one.interval
    tested = sum(each.p is not None for each in score.paired.values())
    p = f"p {one.p:.2g}" if tested == 1 else f"p {one.p:.2g}, {one.p_holm:.2g} by Holm over {tested} systems"
    return f"{start} ({one.difference:+.4f}, 95 % [{low:+.4f}, {high:+.4f}], {p}, {one.queries} queries)"
