"""What a change does to the documents of the index: which are read anew, and how many there are."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tasks.audit.impact import lesson
from tasks.audit.impact.change import Likely, Range, Unset

if TYPE_CHECKING:
    from tasks.audit.impact.effects import Effects
    from tasks.omni.document import Document

DECIDE = ("document.test_text", "encode.modalities")  # params that say what a test document consists of


class IndexedDocuments:
    """The documents of the test split, as they are and as they would be."""

    def __init__(self, effects: Effects) -> None:
        self.effects = effects

    @cached_property
    def count(self) -> int:
        """How many are encoded after the change; where that is not known, the most there may be."""
        state, change = self.effects.state, self.effects.change
        count = state.count("encode", "indexed")
        if self._unsaid:
            return sum(one.split == "test" and one.video_id in state.media for one in state.videos.values())
        if self._rebuilt is not None:
            count += len(self._rebuilt) - len(state.documents("test"))
        if change.removed:
            count -= sum(one.split == "test" and one.video_id in state.documents("test") for one in change.videos)
        return count

    @cached_property
    def anew(self) -> Range:
        """How many have another content."""
        effects, state, change = self.effects, self.effects.state, self.effects.change
        if effects.corpus or self._unsaid:
            return Range(0, self.count)
        others: set[str] = set()
        if self._rebuilt is not None:
            known = {one.digest for one in state.documents("test").values()} | effects.in_part.known
            others |= {video_id for video_id, one in self._rebuilt.items() if one.digest not in known}
        pictures = effects.pictures("test")
        if pictures.low:
            there = state.documents("test") if self._rebuilt is None else self._rebuilt
            others |= {video_id for video_id, one in there.items() if one.video}
        if self._heard or pictures.high > pictures.low:
            return Range(len(others), self.count)
        videos = [] if change.removed else [one.video_id for one in change.videos if one.split == "test"]
        filmed = [lesson.document_changes(state, one) for one in videos if one not in others]
        return sum(filmed, start=Range(len(others), len(others)))

    @cached_property
    def rows(self) -> Likely:
        """Whether the index gets other ones: of another content, or of more or fewer videos."""
        if self._rebuilt is None:
            return self.anew.likely
        before, after = self.effects.state.documents("test"), self._rebuilt
        same = before.keys() == after.keys() and all(before[one].digest == after[one].digest for one in after)
        return self.anew.likely if same else Likely.YES

    @cached_property
    def _unsaid(self) -> bool:
        """Whether they are to consist of something else, nobody said of what."""
        return any(isinstance(self.effects.new(key), Unset) for key in DECIDE if self.effects.touched(key))

    @cached_property
    def _rebuilt(self) -> dict[str, Document] | None:
        """By video id, as other params make them of what is extracted; None where no param says otherwise."""
        modalities = self.effects.modalities("test") if self.effects.touched(*DECIDE) else Unset()
        if isinstance(modalities, Unset) or self._unsaid:
            return None
        return self.effects.state.documents_with("test", modalities, self.effects.new("document.test_text"))

    @cached_property
    def _heard(self) -> bool:
        """Whether params may change what they have of the sound, its words or itself, and what is read in pictures."""
        effects = self.effects
        if not effects.change.params or not (effects.said or effects.written):
            return False
        modalities = effects.modalities("test")
        assert not isinstance(modalities, Unset)
        fields = effects.new("document.test_text") if "text" in modalities else ()
        words = ("transcript" in fields and effects.said) or ("ocr" in fields and effects.written)
        return words or ("audio" in modalities and effects.touched("extract.max_audio_seconds"))
