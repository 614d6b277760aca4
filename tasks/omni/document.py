"""A video as a document: what of it is embedded, loaded when it is needed, and the digest that identifies it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tasks.omni.inputs import SHORTEST_AUDIO, Item
from tasks.shared.artifacts.document import document_digest
from tasks.shared.artifacts.media import TABLE, Media, read_audio, read_frames
from tasks.shared.artifacts.types import SAMPLE_RATE, Modality
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file, sha256_text


@dataclass(frozen=True)
class Document:
    """One video as the embedder sees it: only the chosen modalities that it has."""

    video_id: str
    text: str | None  # None where it is not chosen or the video has none
    media: Media  # where its picture and sound lie
    video: bool  # whether its frames are part of the document
    audio: bool  # whether its sound is
    folder: Path  # the extract artifact's

    @property
    def digest(self) -> str:
        """Identity of the content: equal documents have equal digests, whatever their video's id."""
        return document_digest(self.text_sha256, self.frames_sha256, self.frames, self.audio_sha256)

    @property
    def text_sha256(self) -> str | None:
        """Of the whole text; None without text."""
        return None if self.text is None else sha256_text(self.text)

    @property
    def frames_sha256(self) -> str | None:
        """Of the strip of frames; None where it is not part of the document."""
        return self.media.frames_sha256 if self.video else None

    @property
    def frames(self) -> int:
        """How many frames are part of the document."""
        return len(self.media.times) if self.video else 0

    @property
    def audio_sha256(self) -> str | None:
        """Of the sound; None where it is not part of the document."""
        return self.media.audio_sha256 if self.audio else None

    @property
    def contents(self) -> dict[Modality, str]:
        """The modalities that it has, and of each what tells it from others."""
        has: dict[Modality, str | None] = {
            "text": self.text,
            "video": f"{self.media.frames_sha256} {len(self.media.times)}" if self.video else None,
            "audio": self.media.audio_sha256 if self.audio else None,
        }
        return {name: content for name, content in has.items() if content is not None}

    @property
    def modalities(self) -> list[Modality]:
        """Which of text, video and audio it has, in this order."""
        return list(self.contents)

    def load(self) -> Item:
        """The item, its frames and sound read from disk and proved to be those of the digest.

        Raises UserError where a file is missing or is not what the table of media describes.
        """
        for part, name, sha256 in (
            (self.video, self.media.frames, self.media.frames_sha256),
            (self.audio, self.media.audio, self.media.audio_sha256),
        ):
            path = self.folder / str(name)
            if part and (not path.is_file() or sha256_file(path) != sha256):
                raise UserError(f"{path}: not what {TABLE} describes; restore it with `dvc checkout`")
        return Item(
            text=self.text,
            frames=read_frames(self.media, self.folder) if self.video else None,
            audio=read_audio(self.media, self.folder) if self.audio else None,
        )


def document_of(media: Media, text: str, modalities: Collection[str], folder: Path) -> Document | None:
    """A video's document; None where it has none of the chosen modalities (text, video, audio).

    `text` is as `document_text` joins it; a sound too short for one audio token is left out; `folder` is the extract
    artifact's.
    """
    words = text if "text" in modalities else ""
    video = "video" in modalities and media.frames is not None
    long_enough = media.audio is not None and round(media.audio_seconds * SAMPLE_RATE) >= SHORTEST_AUDIO
    audio = "audio" in modalities and long_enough
    return Document(media.video_id, words or None, media, video, audio, folder) if words or video or audio else None
