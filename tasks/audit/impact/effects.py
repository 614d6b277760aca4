"""What a change does to what the stages hand on, as far as it can be known before anything is run.

A changed video is taken to have other pictures and another sound. Where only the container is another, the same items
come out of extract and nothing after it is made again.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from typing import Any

from tasks.audit.impact import lesson
from tasks.audit.impact.change import NONE, ONE, PERHAPS, Change, Likely, Range, Unset, widest
from tasks.audit.impact.documents import IndexedDocuments
from tasks.audit.impact.parts import DocumentsInPart
from tasks.audit.impact.state import State
from tasks.lineage.items import READER
from tasks.shared.artifacts.models import BaseModel

TABLES = ("manifest.parquet", "queries.parquet", "qrels.train.trec", "qrels.test.trec", "shipped.parquet")
EVENTS = ("corpus.train_events", "corpus.test_events")
LESSON = ("document.train_text", "document.max_text_tokens", "document.cut")  # of a training, beside its own
ENCODING = ("encode.dtype", "run.threads")  # of everything that is encoded
READ = {  # how much of a text is read
    "documents": ("document.max_text_tokens", "document.cut"),
    "queries": ("encode.max_query_tokens", "document.cut"),
}
HEARING = ("transcribe.language", "transcribe.compute_type", "transcribe.beam_size", "run.threads")
PICTURES = ("extract.frames", "extract.size", "extract.format")


class Effects:
    """The effects of a change on a state; everything is worked out when it is asked for."""

    def __init__(self, state: State, change: Change) -> None:
        self.state = state
        self.change = change
        self.indexed = IndexedDocuments(self)
        self.in_part = DocumentsInPart(self)

    def touched(self, *keys: str) -> bool:
        """Whether one of these params is changed."""
        return any(self.change.touches(key) for key in keys)

    def new(self, key: str) -> Any:
        """The new value of a param; UNSET where it is changed to nobody knows what."""
        for one, value in self.change.params.items():
            if one == key:
                return value
            if key.startswith(f"{one}."):
                return value.get(key[len(one) + 1 :]) if isinstance(value, dict) else value
        return self.state.lineage.param(key)

    @cached_property
    def corpus(self) -> Likely:
        """Whether the params make it another corpus altogether."""
        if self.state.params["corpus"]["source"] == "demo":
            drawn = self.touched("corpus.source", *EVENTS, "run.seed")
            return Likely.YES if drawn else Likely.NO
        return Likely.MAYBE if self.touched("corpus.source", "corpus.path") else Likely.NO

    def table(self, name: str) -> Likely:
        """Whether a table of the corpus becomes another."""
        change = self.change
        if name == "manifest.parquet" and change.videos:
            return Likely.YES
        if name == "queries.parquet" and change.queries:
            return Likely.YES
        if change.removed and name.startswith("qrels."):
            gone = {one.video_id for one in change.videos if one.split == name.split(".")[1]}
            if any(gone & judged.keys() for judged in self.state.qrels.values()):
                return Likely.YES
        shipped = ("shipped_transcripts", "shipped_ocr")
        if name == "shipped.parquet" and change.removed and any(self.state.count("corpus", one) for one in shipped):
            return max(self.corpus, Likely.MAYBE)
        return self.corpus

    @cached_property
    def media(self) -> Range:
        """Videos that are decoded again, of all."""
        total = self.state.count("extract", "videos")
        if self.touched("extract"):
            return Range(total, total)
        if self.corpus:
            return Range(0, total)
        changed = 0 if self.change.removed else len(self.change.videos)
        return Range(changed, changed)

    @cached_property
    def tracks(self) -> Range:
        """Sound tracks that are heard again, of all."""
        source = self._words_from("source", "whisper")
        if source == "shipped" or self.touched("transcribe.source"):
            audible = sum(one.audio is not None for one in self.state.media.values())
            return Range(0, 0 if source == "shipped" else audible)
        total = self.state.count("transcribe", "tracks")
        if self.touched(*HEARING):
            return Range(total, total)
        if self.touched("transcribe.model", "transcribe.revision") or self.corpus:
            return Range(0, total)
        if self.touched("extract.max_audio_seconds"):
            return self._cut(total)
        media = self.state.media
        changed = () if self.change.removed else self.change.videos
        known = [one.video_id for one in changed if one.video_id in media]
        heard = sum(media[one].audio is not None for one in known)
        return Range(heard, heard + len(changed) - len(known))

    def _cut(self, total: int) -> Range:
        """Tracks that reach to where one of two limits cuts."""
        new, old = self.new("extract.max_audio_seconds"), self.state.lineage.param("extract.max_audio_seconds")
        if isinstance(new, Unset):
            return Range(0, total)
        seconds = [one.audio_seconds for one in self.state.media.values() if one.audio is not None]
        return Range(sum(one > min(new, old) for one in seconds), sum(one >= min(new, old) - 1 for one in seconds))

    @cached_property
    def screens(self) -> Range:
        """Videos in which it is read again what is written there, of all."""
        source = self._words_from("ocr", "none")
        if source in ("none", "shipped"):
            return NONE
        pictures = [one.video_id for one in self.state.media.values() if one.frames is not None]
        if self.touched("transcribe.ocr", "extract.frames") or self.corpus:
            return Range(0, len(pictures))
        changed = [] if self.change.removed else [one.video_id for one in self.change.videos]
        return Range(len(set(changed) & set(pictures)), len(changed))

    def _words_from(self, key: str, before: Any) -> Any:
        """Where words come from after the change; `before` where the state is of a version without that param."""
        try:
            return self.new(f"transcribe.{key}")
        except KeyError:
            return before

    @property
    def said(self) -> bool:
        """Whether transcripts may say something else."""
        return self.tracks.high > 0 or self.touched("transcribe.source")

    @property
    def written(self) -> bool:
        """Whether on-screen text may be another."""
        return self.screens.high > 0 or self.touched("transcribe.ocr")

    @cached_property
    def base(self) -> Range:
        """Whether the starting weights become others."""
        if self.touched("base.source"):
            return ONE
        if self.state.params["base"]["source"] == "pretrained":
            named = self.touched(*(f"base.{one.name}" for one in fields(BaseModel)))
            return PERHAPS if named else NONE
        learning = ("base.steps", "base.batch_size", "base.learning_rate", "base.temperature")
        if self.touched(*learning, "extract.size", "run.seed"):
            return ONE
        return PERHAPS if self.touched("retriever", *EVENTS, "run.threads") else NONE

    @cached_property
    def lesson(self) -> tuple[Range, str]:
        """Whether there is another training, and why."""
        if not self.state.trained:
            return NONE, "nothing is trained: the corpus has no training judgments"
        found = self._lessons()
        bounds = widest(*(one for one, _ in found))
        reasons = [why for one, why in found if one.low == bounds.low and one.high == bounds.high]
        return bounds, "; ".join(dict.fromkeys(reasons)) or "what training reads stays the same"

    def _lessons(self) -> list[tuple[Range, str]]:
        """By what is changed, whether it makes another lesson, and why."""
        state, change = self.state, self.change
        found = []
        if change.videos:
            found.append(lesson.after_videos(state, change))
        if change.queries:
            found.append(lesson.after_queries(state, change))
        if self.touched("train", *LESSON, "run.seed", "run.threads"):
            found.append((ONE, "params change that decide a training"))
        if self.base.high:
            found.append((self.base, "training starts from other weights"))
        if self.touched("mine"):
            found.append(lesson.after_mining(state, change))
        if self.touched("retriever") and state.params["mine"]["source"] == "dense":
            found.append((PERHAPS, "another retriever may mine other negatives"))
        if state.params["mine"]["source"] == "omni" and self.touched("extract", "encode.dtype"):
            found.append((PERHAPS, "mining reads the videos otherwise, and may find other negatives"))
        if self.touched("extract"):
            pictures = self.pictures("train")
            found.append((pictures, "training shows other pictures" if pictures.high else "pictures stay"))
        if (self.said or self.written) and change.params:
            found.append((PERHAPS, "where other words are heard or read, documents and negatives become others"))
        if self.corpus:
            found.append((ONE if self.corpus is Likely.YES else PERHAPS, "training reads another corpus"))
        return found

    def pictures(self, split: str) -> Range:
        """Whether params change the frames of a split's documents."""
        if not self.touched(*PICTURES):
            return NONE
        chosen = self.modalities(split)
        if isinstance(chosen, Unset):
            return PERHAPS
        if "video" not in chosen:
            return NONE
        return PERHAPS if "extract" in self.change.params else ONE  # which of the section's keys was not said

    def modalities(self, split: str) -> list[str] | Unset:
        """The modalities of a split's documents after the change."""
        key = f"{READER[split]}.modalities"
        chosen: list[str] | Unset = self.new(key) if self.touched(key) else self.state.modalities(split)
        return chosen

    @cached_property
    def adapter(self) -> Range:
        """Whether the trained weights become others."""
        found, _ = self.lesson
        if self.change.params and set(self.change.params) <= {"train.save_steps"}:
            return PERHAPS  # checkpoints on the way do not steer a training; its bytes should come out the same
        return found

    @cached_property
    def asked(self) -> Range:
        """Test queries with another text."""
        total = self.state.count("encode", "queries")
        if self.corpus:
            return Range(0, total)
        changed = sum(one.split == "test" for one in self.change.queries)
        return Range(changed, changed)

    def encoding(self, what: str) -> bool:
        """Whether params change how all `documents` or `queries` are encoded."""
        return self.touched(*ENCODING, *READ[what])

    def weights(self, system: str) -> Range:
        """Whether a system's weights become others."""
        return widest(self.base, self.adapter) if system == "tuned" else self.base
