"""What a change does to documents that are encoded in part: those of directions and of fusion (docs/views.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tasks.audit.impact.change import Range, Unset
from tasks.audit.impact.lesson import content_changes
from tasks.encode.views import views
from tasks.shared.artifacts.types import MODALITIES
from tasks.shared.artifacts.vectors import VIEWS

if TYPE_CHECKING:
    from tasks.audit.impact.effects import Effects
    from tasks.omni.document import Document

NONE_SHOWN = {"evaluate.directions": False, "evaluate.fusion": ["joint"]}  # of versions without these params
FUSED, CHOSEN, TEXT = "evaluate.fusion", "encode.modalities", "document.test_text"


class DocumentsInPart:
    """The views of test videos, and those of training videos that routing is learnt from."""

    def __init__(self, effects: Effects) -> None:
        self.effects = effects

    @cached_property
    def routed(self) -> bool:
        """Whether training queries are encoded too; where that is not known, yes."""
        fusion = self._new(FUSED)
        return isinstance(fusion, Unset) or "routed" in fusion

    @cached_property
    def count(self) -> int:
        """How many are encoded after the change; where that is not known, the most there may be."""
        return len(self._after)

    @cached_property
    def anew(self) -> Range:
        """How many have another content."""
        effects, change = self.effects, self.effects.change
        words = bool(change.params) and (effects.said or effects.written)
        if effects.corpus or self._unsaid:
            return Range(0, self.count)
        known = self.known | {one.digest for one in effects.state.documents("test").values()}
        fresh = [one for one in self._after if one.digest not in known]
        if words or effects.touched("extract"):
            return Range(len(fresh), self.count)
        changed = set() if change.removed else {one.video_id for one in change.videos}
        others = [one for one in self._after if one.digest in known and one.video_id in changed]
        return sum((content_changes(one, self._new(TEXT)) for one in others), start=Range(len(fresh), len(fresh)))

    @cached_property
    def known(self) -> set[str]:
        """What is encoded in part before the change, by its content."""
        return {one.digest for one in self._before}

    @cached_property
    def fewer(self) -> bool:
        """Whether some are no longer there."""
        return not self.known <= {one.digest for one in self._after}

    @property
    def _unsaid(self) -> bool:
        return any(isinstance(self._new(key), Unset) for key in (*NONE_SHOWN, CHOSEN, TEXT))

    def _new(self, key: str) -> Any:
        try:
            return self.effects.new(key)
        except KeyError:
            return NONE_SHOWN[key]

    def _old(self, key: str) -> Any:
        try:
            return self.effects.state.lineage.param(key)
        except KeyError:
            return NONE_SHOWN[key]

    @cached_property
    def _before(self) -> list[Document]:
        old = self._old
        return self._documents(old("evaluate.directions"), old(FUSED), old(CHOSEN), old(TEXT))

    @cached_property
    def _after(self) -> list[Document]:
        new, change = self._new, self.effects.change
        text = self._old(TEXT) if isinstance(new(TEXT), Unset) else new(TEXT)
        if self._unsaid:
            found = self._documents(True, ["routed"] if self.routed else ["joint"], MODALITIES, text)
        else:
            found = self._documents(new("evaluate.directions"), new(FUSED), new(CHOSEN), text)
        gone = {one.video_id for one in change.videos} if change.removed else set()
        return [one for one in found if one.video_id not in gone]

    def _documents(
        self, directions: bool, fusion: Sequence[str], modalities: Sequence[str], fields: Sequence[str]
    ) -> list[Document]:
        """Each content of a video once, without those that are encoded whole."""
        state = self.effects.state
        names = views(directions=directions, fusion=fusion, modalities=modalities)
        if not names:
            return []
        whole = state.documents_with("test", list(modalities), list(fields)).values()
        known = {(one.video_id, one.digest) for one in whole}
        parts = [("test", name) for name in names]
        parts += [("train", name) for name in modalities] if "routed" in fusion else []
        found = []
        for split, name in parts:
            shown = state.documents_with(split, list(VIEWS[name]), list(fields)).values()
            for one in shown:
                if len(one.modalities) == len(VIEWS[name]) and (one.video_id, one.digest) not in known:
                    known.add((one.video_id, one.digest))
                    found.append(one)
        return found
