"""How many items each stage would really make again, and why: the truth about reuse, as the stages have it."""

from __future__ import annotations

from collections.abc import Callable

from tasks.audit.impact.change import Range, Share
from tasks.audit.impact.effects import ENCODING, LESSON, Effects
from tasks.audit.impact.state import kept_items

Work = tuple[list[Share], str]


def recompute(stage: str, effects: Effects) -> Work:
    """What a stage makes again when it runs, and the reason. Raises UserError where its results are not to be had."""
    return WORK[stage](effects) if stage in WORK else ([], "")


def _corpus(effects: Effects) -> Work:
    state, change = effects.state, effects.change
    total = len(state.videos) - _gone(effects)
    if state.params["corpus"]["source"] == "demo":
        return [
            Share("videos drawn", total, total, total)
        ], "the demo draws its videos anew, the same from the same seed"
    read = 0 if change.removed else len(change.videos)
    high = total if effects.corpus else read
    return [Share("files hashed", read, high, total)], "path, size and time of a file tell whether it is hashed again"


def _extract(effects: Effects) -> Work:
    state = effects.state
    failed = state.count("extract", "failed") - sum(one.video_id not in state.media for one in effects.change.videos)
    total = state.count("extract", "videos") - failed - _gone(effects)
    again = _capped(effects.media, total)
    shares = _kept("extract", [Share("videos decoded", again.low, again.high, total)], effects)
    why = "kept by the video's sha256, the params of extract and its code"
    return [*shares, *_failed(failed)], why


def _transcribe(effects: Effects) -> Work:
    state = effects.state
    gone = {one.video_id for one in effects.change.videos} if effects.change.removed else set[str]()
    heard = gone & {one.video_id for one in state.media.values() if one.audio} & state.transcripts.keys()
    total = state.count("transcribe", "tracks") - len(heard)
    again = effects.tracks
    shares = _kept("transcribe", [Share("tracks heard", again.low, again.high, max(total, again.high))], effects)
    screens = effects.screens
    if screens.high or state.count("transcribe", "not_read") or state.params["transcribe"].get("ocr") == "rapidocr":
        total = sum(one.frames is not None and one.video_id not in gone for one in state.media.values())
        shares += _kept("ocr", [Share("videos read", screens.low, screens.high, max(total, screens.high))], effects)
    why = "kept by the sound's and the video's sha256, the params of transcribe and its code"
    failed = state.count("transcribe", "failed") + state.count("transcribe", "not_read")
    return [*shares, *_failed(failed)], why


def _mine(effects: Effects) -> Work:
    state, change = effects.state, effects.change
    gone = {one.video_id for one in change.videos} if change.removed else set()
    total = sum(not gone.issuperset(one.positives) for one in state.mined)
    shares = [Share("training queries mined", total, total, total)]
    why = "mined all together: no ranking is kept, but the vectors of texts, by chunks of them"
    if state.params["mine"]["source"] != "omni":
        return shares, why
    mined = state.documents_with("train", state.params["mine"]["modalities"], state.text_fields("train"))
    there = len(mined.keys() - gone)
    anew = 0 if change.removed else sum(one.video_id in mined for one in change.videos)
    otherwise = effects.touched("mine", *LESSON, "extract") or bool(effects.said or effects.written)
    whole = bool(effects.base.low or effects.encoding("documents"))
    low = there if whole else 0
    high = there if whole or otherwise or effects.base.high or effects.corpus else anew
    asked = sum(one.split == "train" for one in change.queries)
    all_asked = bool(effects.base.low) or effects.touched(*ENCODING, "train.max_query_tokens", "document.cut")
    shares += _kept(
        "encode",
        [
            Share("base documents", low, high, there),
            Share(
                "base queries", total if all_asked else asked, total if all_asked or effects.base.high else asked, total
            ),
        ],
        effects,
    )
    return shares, "mined all together: no ranking is kept, but the vectors of documents and queries"


def _base(effects: Effects) -> Work:
    steps = effects.state.count("base", "steps")
    if not steps:
        return [], "it only names the model"
    return [Share("training steps", steps, steps, steps)], "made whole: nothing of it is kept"


def _train(effects: Effects) -> Work:
    state = effects.state
    bounds, why = effects.lesson
    if not state.trained:
        return [], why
    what = f"trainings of {state.count('train', 'steps')} steps"
    return _kept("train", [Share(what, bounds.low, bounds.high, 1)], effects), why


def _encode(effects: Effects) -> Work:
    state, change = effects.state, effects.change
    work = [
        ("documents", "documents", effects.indexed.count, effects.indexed.anew),
        ("queries", "queries", state.count("encode", "queries"), effects.asked),
    ]
    if effects.in_part.count:
        work.append(("documents in part", "documents", effects.in_part.count, effects.in_part.anew))
        if effects.in_part.routed:
            training = sum(one.split == "train" for one in state.queries.values())
            again = sum(one.split == "train" for one in change.queries)
            asked = Range(again, training if effects.corpus else again)
            work.append(("training queries", "queries", training, asked))
    shares = []
    for system in state.encoders:
        weights = effects.weights(system)
        for what, kind, total, changed in work:
            own = _capped(changed, total)
            low = total if weights.low or effects.encoding(kind) else own.low
            high = total if weights.high or effects.encoding(kind) else own.high
            shares.append(Share(f"{system} {what}", low, max(low, high), max(total, high)))
    test = [] if change.removed else [one.video_id for one in change.videos if one.split == "test"]
    missing = [one for one in test if one not in state.documents("test")]
    tail = f"; {missing[0]} has no document yet" if missing else ""
    return _kept("encode", shares, effects), f"kept by what the model reads, the checkpoint and the code{tail}"


def _evaluate(effects: Effects) -> Work:
    queries = effects.state.count("evaluate", "queries")
    return [Share("queries ranked and scored", queries, queries, queries)], "made whole: nothing of it is kept"


def _report(_: Effects) -> Work:
    return [Share("pages", 1, 1, 1)], "made whole: nothing of it is kept"


WORK: dict[str, Callable[[Effects], Work]] = {
    "corpus": _corpus,
    "extract": _extract,
    "transcribe": _transcribe,
    "mine": _mine,
    "base": _base,
    "train": _train,
    "encode": _encode,
    "evaluate": _evaluate,
    "report": _report,
}


def _gone(effects: Effects) -> int:
    """How many videos of the corpus are removed."""
    return len(effects.change.videos) if effects.change.removed else 0


def _capped(found: Range, total: int) -> Range:
    return Range(min(found.low, total), min(found.high, total))


def _failed(count: int) -> list[Share]:
    """Items that could not be processed are not kept: they are tried at every run."""
    return [Share("tried again that failed before", count, count, count)] if count else []


def _kept(step: str, shares: list[Share], effects: Effects) -> list[Share]:
    """The shares as far as the store goes: with fewer items than are to be reused, some are made again.

    A new value of a param may be one of before: items that the results here do not use may then be of that value.
    """
    here, of = kept_items(step), sum(one.of for one in shares)
    if here < sum(one.of - one.low for one in shares):
        return [Share(one.what, max(one.low, one.of - here), one.of, one.of) for one in shares]
    spare = max(0, here - of) if effects.change.params else 0
    return [Share(one.what, max(0, one.low - spare), one.high, one.of) for one in shares]
