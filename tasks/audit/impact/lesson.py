"""What training would learn after a change: the same lesson, which is taken from the store, or another one.

A lesson is the rows (query, positive, negatives), the judged positives, the texts of the queries and the content of the
documents shown; `tasks.train.run` keys a finished training by it, its params, code and base.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from tasks.audit.impact.change import NONE, ONE, PERHAPS, Change, Range, Unset, widest
from tasks.audit.impact.state import State
from tasks.mine.filtering import mined, threshold
from tasks.shared.artifacts.negatives import Dropped, MinedQuery, Negative
from tasks.train.rows import training_rows

if TYPE_CHECKING:
    from tasks.omni.document import Document

REPLAYED = ("keep", "relative_margin", "depth")  # params of mining whose effect the recorded candidates tell


def after_videos(state: State, change: Change) -> tuple[Range, str]:
    """Of a change or removal of training videos: whether another lesson follows, and why."""
    train = [one.video_id for one in change.videos if one.split == "train"]
    if not train:
        return NONE, "it is no training video"
    shown = [one for one in train if one in state.shown_videos]
    unseen = [one for one in train if one not in state.shown_videos]
    found = []
    if shown:
        bounds = ONE if change.removed else widest(*(document_changes(state, one) for one in shown))
        found.append((bounds, f"training shows {_some(shown)}"))
        if bounds == NONE and _mined_from_content(state, shown):
            found.append((PERHAPS, f"mining reads {_some(shown)}, which may become a negative of other queries"))
    if unseen:
        found.append(_unseen_removed(state, unseen) if change.removed else _unseen_changed(state, unseen))
    bounds = widest(*(one for one, _ in found))
    return bounds, next(why for one, why in found if one == bounds)


def _unseen_removed(state: State, train: list[str]) -> tuple[Range, str]:
    judged = {video_id for one in state.mined for video_id in one.positives}
    if positives := [one for one in train if one in judged]:
        return ONE, f"{_some(positives)} is a judged positive, though training could not show it"
    if any(one.role == "drawn" for one in state.exposures):
        return PERHAPS, f"{_never(train)}; but some negatives are drawn at random from all training videos"
    if state.params["mine"]["source"] in ("dense", "omni"):
        return NONE, f"{_never(train)}; the other candidates keep their order"
    return PERHAPS, f"{_never(train)}; the ranking of the other candidates may change"


def _unseen_changed(state: State, train: list[str]) -> tuple[Range, str]:
    if unread := [one for one in train if one not in state.media]:
        return PERHAPS, f"{_some(unread)} could not be extracted; if that works now, training may show it"
    if bare := [one for one in train if one not in state.documents("train")]:
        return PERHAPS, f"{_some(bare)} has nothing of train.modalities; if the new one has, training may show it"
    if _mined_from_content(state, train):
        return PERHAPS, f"{_never(train)}; with another content it may become a negative"
    if state.params["mine"]["source"] in ("dense", "bm25") and any(one in state.transcripts for one in train):
        return PERHAPS, f"{_never(train)}; with other words it may become a negative"
    return NONE, f"{_never(train)}, and mining never reads it"


def _mined_from_content(state: State, train: list[str]) -> bool:
    """Whether mining reads the pictures or sound of one of these videos, or words heard in it."""
    mine = state.params["mine"]
    if mine["source"] != "omni":
        return False
    chosen = set(mine["modalities"])
    heard = "audio" in chosen or ("text" in chosen and "transcript" in state.text_fields("train"))
    known = [state.media[one] for one in train if one in state.media]
    return len(known) < len(train) or any(
        ("video" in chosen and one.frames is not None) or (heard and one.audio is not None) for one in known
    )


def _never(names: list[str]) -> str:
    return f"training never shows {_some(names)}"


def document_changes(state: State, video_id: str) -> Range:
    """Whether a video's document is another one when its pictures and sound are."""
    split = state.videos[video_id].split
    if (document := state.documents(split).get(video_id)) is None:
        return PERHAPS  # the new one may have what this one lacks
    return content_changes(document, state.text_fields(split))


def content_changes(document: Document, fields: Collection[str]) -> Range:
    """Whether a document is another one when its video's pictures and sound are; its text is made of these fields."""
    if document.video or document.audio:
        return ONE
    heard = "transcript" in fields and document.media.audio
    read = "ocr" in fields and document.media.frames
    return PERHAPS if heard or read else NONE


def after_queries(state: State, change: Change) -> tuple[Range, str]:
    """Of other texts of queries: whether another lesson follows, and why."""
    shown = [one.query_id for one in change.queries if one.query_id in state.shown_queries]
    if shown:
        return ONE, f"training asks {_some(shown)}"
    return NONE, "training asks none of these queries"


def after_mining(state: State, change: Change) -> tuple[Range, str]:
    """Of other params of mining: whether another lesson follows, as far as the recorded candidates tell, and why."""
    if not state.trained:
        return NONE, "nothing is trained"
    present: Mapping[str, Any] = state.params["mine"]
    wanted = dict(present)
    for key, value in change.params.items():
        section, _, name = key.partition(".")
        if section == "mine" and name in REPLAYED and not isinstance(value, Unset):
            wanted[name] = value
        elif section == "mine":
            return PERHAPS, "other negatives may be mined"
    again = [mined_again(one, present, wanted) for one in state.mined]
    usable, train, seed = list(state.documents("train")), state.params["train"], state.params["run"]["seed"]
    known = [one for one, (_, whole) in zip(state.mined, again, strict=True) if whole]
    rows, _ = training_rows(state.mined, usable, train["negatives"], seed)
    width = len(rows[0].negatives)
    other = moved = 0
    for old, (new, whole) in zip(state.mined, again, strict=True):
        before, _ = training_rows([old], usable, width, seed)
        after, _ = training_rows([new], usable, width, seed)
        enough = whole or sum(one.video_id in usable for one in new.negatives) >= width
        other += not enough
        moved += enough and before != after
    if moved:
        return ONE, f"training would be shown other negatives for {moved} of {len(state.mined)} queries"
    if other:
        return PERHAPS, f"for {other} of {len(state.mined)} queries negatives come in that are not recorded"
    same = "mining again from the recorded candidates gives training the same negatives"
    return NONE, f"{same} ({len(known)} of {len(state.mined)} rankings are recorded whole)" if known else same


def mined_again(one: MinedQuery, present: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[MinedQuery, bool]:
    """What mining would take from the candidates that are recorded, and whether these are all that it would see.

    Recorded are those kept and those dropped: every rank up to the last one kept, all where fewer were found than
    wanted.
    """
    recorded: list[Negative | Dropped] = [*one.negatives, *one.dropped]
    candidates = sorted(recorded, key=lambda each: each.rank)
    unbroken = [each for rank, each in enumerate(candidates, 1) if each.rank == rank and rank <= wanted["depth"]]
    short = len(one.negatives) < present["keep"]
    exhausted = short and (wanted["depth"] <= present["depth"] or len(candidates) < present["depth"])
    highest = threshold(one.positive_scores.values(), wanted["relative_margin"])
    ranking = {each.video_id: each.score for each in unbroken}
    again = mined(one.query_id, one.positives, ranking, one.positive_scores, highest, wanted["keep"])
    whole = exhausted or len(unbroken) == wanted["depth"] or len(again.negatives) == wanted["keep"]
    return again, whole


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
