"""The impact as people read it: a tree for every item, then what `dvc repro` would do."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.audit.impact.answer import Impact, Judged, Mean, ParamImpact, Place, QueryImpact, VideoImpact
from tasks.audit.impact.change import Share, StageForecast
from tasks.audit.impact.checkpoints import Checkpoint
from tasks.audit.text import Tree, as_json, plain, short, shortened, show, size, table
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.runtime.errors import UserError

MOST = 8  # rows of a kind that a tree shows; JSON has all
WORDS = 90  # characters of a text


def show_impact(answer: Impact) -> None:
    """Print the whole answer."""
    commit = f", commit {short(answer.commit)}" if answer.commit else ", no commit of git"
    dirty = f", {len(answer.dirty)} tracked files differ from it" if answer.dirty else ""
    show(f"{plain(answer.state)}{commit}{dirty}")
    for tree in (
        *(_video(one) for one in answer.videos),
        *(_query(one) for one in answer.queries),
        *(_param(one) for one in answer.params),
    ):
        show("")
        show(tree)
    show("")
    show(_reruns(answer))
    show(_stale(answer))
    for note in answer.notes:
        show(f"- {plain(note)}")


def _add(branch: Tree, label: str, leaves: Sequence[str] = ()) -> Tree:
    """A branch, and of its leaves as many as people read."""
    more = [f"and {len(leaves) - MOST} more (--json has all)"] if len(leaves) > MOST else []
    return branch.add(label, [*leaves[:MOST], *more])


def _video(one: VideoImpact) -> Tree:
    video, lineage = one.video, one.lineage
    about = ", ".join(str(part) for part in (video.split, video.language, video.event) if part)
    tree = Tree(f"video {video.video_id} ({about})")
    _add(tree, f"file {video.path}, {size(video.bytes)}, sha256 {short(video.sha256)}")
    if lineage:
        media, said, document = lineage.media, lineage.said, lineage.document
        if media and media.frames:
            _add(tree, f"frames {media.frames}, {len(media.times)} of them, sha256 {short(media.frames_sha256)}")
        if media and media.audio:
            _add(tree, f"sound {media.audio}, {media.audio_seconds:.1f} s, sha256 {short(media.audio_sha256)}")
        if said:
            words = shortened(said.text, WORDS) or "nothing was said"
            _add(tree, f"transcript ({said.language or 'no language'}), sha256 {short(said.sha256)}: {words}")
            if said.ocr is not None:
                _add(tree, f"on-screen text: {shortened(said.ocr, WORDS) or 'nothing was written'}")
        if lineage.left_out:
            _add(tree, f"no document: {lineage.left_out}")
        for failure in lineage.failures:
            _add(tree, f"failed in {failure.step}: {failure.error}: {shortened(failure.message, WORDS)}")
    _judgments(tree, one.judged, of_video=True)
    if video.split == "train":
        kept = [each for each in one.mined if each.dropped is None]
        dropped = Counter(str(each.dropped) for each in one.mined if each.dropped)
        reasons = ", ".join(f"{count} as {reason}" for reason, count in sorted(dropped.items())) or "none"
        _add(
            tree, f"hard negative of {len(kept)} training queries; dropped: {reasons}",
            [f"{each.query_id}: rank {each.rank}, score {each.score:.4f}" for each in kept],
        )  # fmt: skip
        _exposed(tree, one.exposures, of_video=True)
    _trainings(tree, one.checkpoints, "shows it")
    if lineage and lineage.document:
        document = lineage.document
        _add(
            tree, f"row of the index: {', '.join(document.modalities)}; document {short(document.document_sha256)}",
            [f"vector of {system}: sha256 {short(digest)}" for system, digest in one.vectors.items()],
        )  # fmt: skip
    if video.split == "test":
        _ranked(tree, one.places)
    _means(tree, one.means)
    return tree


def _query(one: QueryImpact) -> Tree:
    query = one.query
    about = ", ".join(str(part) for part in (query.split, query.language, query.type, query.event) if part)
    tree = Tree(f"query {query.query_id} ({about}): {shortened(query.text, WORDS)}")
    _judgments(tree, one.judged, of_video=False)
    if one.mined:
        kept = one.mined.negatives
        dropped = Counter(each.reason for each in one.mined.dropped)
        reasons = ", ".join(f"{count} as {reason}" for reason, count in sorted(dropped.items())) or "none"
        _add(
            tree, f"{len(kept)} hard negatives were mined for it; dropped: {reasons}",
            [f"{each.video_id}: rank {each.rank}, score {each.score:.4f}" for each in kept],
        )  # fmt: skip
    if query.split == "train":
        _exposed(tree, one.exposures, of_video=False)
    _trainings(tree, one.checkpoints, "asks it")
    if one.vectors:
        vectors = [f"{system}: sha256 {short(digest)}" for system, digest in one.vectors.items()]
        _add(tree, "vectors", vectors)
    if one.scores:
        scores = [
            f"{system}: " + ", ".join(f"{name} {value:.4f}" for name, value in values.items())
            for system, values in one.scores.items()
        ]
        _add(tree, "scores", scores)
    if one.places:
        ranks = [f"{each.video_id} (relevance {each.relevance}): {_ranks(each)}" for each in one.places]
        _add(tree, "ranks of its judged videos", ranks)
    _means(tree, one.means)
    return tree


def _param(one: ParamImpact) -> Tree:
    tree = Tree(f"param {one.key} = {_value(one.present)}")
    if one.same:
        known = "nothing would run for it" if one.new == one.present else "only the order is another"
        _add(tree, f"{_value(one.new)} is its present value: {known}")
    elif one.given:
        _add(tree, f"would become {_value(one.new)}")
    present = as_read(one.present, one.key)
    others = [f"{stage}: {_value(value)}" for stage, value in one.recorded.items() if value != present]
    if others:
        _add(tree, "the results here were made with another value", others)
    if one.stages:
        _add(tree, "stages that name it", [f"{stage}: {', '.join(names)}" for stage, names in one.stages.items()])
        _add(tree, f"all that follows: {', '.join(one.downstream)}")
    else:
        _add(tree, "no stage of dvc.yaml names it: a change makes nothing stale")
    return tree


def _judgments(tree: Tree, judged: Sequence[Judged], *, of_video: bool) -> None:
    what = "judged for" if of_video else "judged videos:"
    names = [f"{each.query_id if of_video else each.video_id}: relevance {each.relevance}" for each in judged]
    count = (
        f"{len(judged)} {judged[0].split} queries" if judged and of_video else str(len(judged)) if judged else "none"
    )
    _add(tree, f"{what} {'no query' if of_video and not judged else count}", names)


def _exposed(tree: Tree, exposures: Sequence[Exposure], *, of_video: bool) -> None:
    if not exposures:
        _add(tree, "training never shows it" if of_video else "training never asks it")
        return
    times = Counter[str]()
    for each in exposures:
        times[each.role] += len(each.steps)
    roles = ", ".join(f"{count} times {role}" for role, count in times.items())
    others = sum(each.others for each in exposures)
    first = f"training shows {'it' if of_video else 'for it'} {roles}"
    _add(
        tree, f"{first}; {others} times an in-batch negative of other queries",
        [
            f"{each.query_id if of_video else each.video_id}: {each.role} in steps {_steps(each.steps)}"
            for each in exposures
        ],
    )  # fmt: skip


def _steps(steps: Sequence[int]) -> str:
    text = ", ".join(str(step) for step in steps[:MOST])
    return f"{text} and {len(steps) - MOST} more" if len(steps) > MOST else text


def _trainings(tree: Tree, checkpoints: Sequence[Checkpoint], what: str) -> None:
    if not checkpoints:
        _add(tree, "no training is known")
        return
    yes = [one for one in checkpoints if one.shown == "yes"]
    unknown = [one for one in checkpoints if one.shown == "unknown"]
    label = f"{len(yes)} of {len(checkpoints)} trainings {what.split(' ', 1)[0].removesuffix('s')} it"
    _add(
        tree, label + (f"; of {len(unknown)} it is unknown" if unknown else ""), [_training(one) for one in checkpoints]
    )


def _training(one: Checkpoint) -> str:
    shown = {"yes": f"yes, {one.exposures} pairs", "no": "no", "unknown": f"unknown ({one.why})"}[one.shown]
    adapter = f"adapter {short(one.adapter)}, " if one.adapter else ""
    versions = f", model version {', '.join(one.versions)}" if one.versions else ""
    runs = ", ".join(run.run_id for run in one.runs) or "not in MLflow"
    return f"{shown}: {'this state, ' if one.here else ''}{adapter}manifest {short(one.manifest)}{versions}, run {runs}"


def _ranked(tree: Tree, places: Sequence[Place]) -> None:
    relevant = [one for one in places if one.relevance > 0]
    others = [one for one in places if one.relevance <= 0]
    _add(tree, f"relevant for {len(relevant)} test queries", [_place(one) for one in relevant])
    _add(tree, f"in the first ten of {len(others)} more", [_place(one) for one in others])


def _place(one: Place) -> str:
    scores = ", ".join(f"{system} {value:.3f}" for system, value in one.scores.items())
    return f"{one.query_id}: rank {_ranks(one)}" + (f"; nDCG@10 {scores}" if scores else "")


def _ranks(one: Place) -> str:
    return ", ".join(f"{system} {plain(rank)}" for system, rank in one.ranks.items())


def _means(tree: Tree, means: Sequence[Mean]) -> None:
    lines = [
        f"{one.system}: {one.measure} {one.value:.4f}"
        + (f", by {one.queries} of {one.of} queries" if one.queries else "")
        + (", through the trained weights" if one.training else "")
        for one in means
    ]
    _add(tree, "mean scores that depend on it" if lines else "no mean score depends on it", lines)


def _value(value: Any) -> str:
    return shortened("null" if value is None else value if isinstance(value, str) else repr(value), WORDS)


def _reruns(answer: Impact) -> Any:
    first = next(iter(answer.rerun.values()))
    columns = ["stage", "runs", *(f"recomputed if {what}" for what in answer.rerun), "follows", "why"]
    rows = []
    for index, one in enumerate(first):
        by_what = {what: stages[index] for what, stages in answer.rerun.items()}
        forecasts = list(by_what.values())
        shares = [_shares(each.shares) for each in forecasts]
        rows.append([one.stage, _runs(forecasts), *shares, _because(forecasts), _why(by_what)])
    return table("what `dvc repro` would do", columns, rows)


def _runs(forecasts: Sequence[StageForecast]) -> str:
    found = list(dict.fromkeys(one.runs for one in forecasts))
    return found[0] if len(found) == 1 else " / ".join(found)


def _why(forecasts: dict[str, StageForecast]) -> str:
    reasons = {what: one.reason for what, one in forecasts.items()}
    if len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"if {what}: {reason}" for what, reason in reasons.items())


def _because(forecasts: Sequence[StageForecast]) -> str:
    """Params, and of what lies in results/ the stages that make it."""
    paths = [path for one in forecasts for path in one.because]
    places = [Path(path).parts for path in paths]
    names = [parts[1] if parts[0] == RESULTS.name else path for path, parts in zip(paths, places, strict=True)]
    return ", ".join(dict.fromkeys(names)) or "-"


def _shares(shares: Sequence[Share]) -> str:
    lines = []
    for one in shares:
        count = str(one.low) if one.low == one.high else f"{one.low} to {one.high}"
        lines.append(f"{count} of {one.of} {one.what}")
    return ", ".join(lines) or "-"


def _stale(answer: Impact) -> str:
    if answer.stale is None:
        return "What is stale already is not told here."
    if not answer.stale:
        return "Without that change nothing is stale: `dvc status` is clean."
    lines = [f"  {one.stage}: {'; '.join(plain(why) for why in one.why)}" for one in answer.stale]
    return "\n".join(["Stale already, whatever is changed:", *lines])


def answer(chosen: argparse.Namespace) -> int:
    """Print what follows. Raises UserError where nothing is named, or something that there is not."""
    from tasks.audit.impact.impact import impact

    if not (chosen.videos or chosen.query or chosen.param):
        raise UserError("name a VIDEO, --query QUERY or --param KEY[=VALUE]; `reeltrace audit impact --help` says more")
    answer = impact(chosen.videos, chosen.query, chosen.param, chosen.rev)
    if chosen.json:
        print(as_json(answer))
    else:
        show_impact(answer)
    return 0
