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
    """One video as the embedder sees it: only the chosen modalities that it has, None for the others."""

    video_id: str
    text: str | None
    text_sha256: str | None
    frames_sha256: str | None  # of the strip
    frames: int
    audio_sha256: str | None
    media: Media  # where its picture and sound lie,
    folder: Path  # in the extract artifact

    @property
    def digest(self) -> str:
        """Identity of the content: equal documents have equal digests, whatever their video's id."""
        return document_digest(self.text_sha256, self.frames_sha256, self.frames, self.audio_sha256)

    @property
    def contents(self) -> dict[Modality, str]:
        """The modalities that it has, in the order of `MODALITIES`, and of each what tells it from others."""
        picture = self.frames_sha256 and f"{self.frames_sha256} {self.frames}"
        has: dict[Modality, str | None] = {"text": self.text, "video": picture, "audio": self.audio_sha256}
        return {name: content for name, content in has.items() if content is not None}

    def load(self) -> Item:
        """The item, its frames and sound read from disk and proved to be those of the digest. Raises UserError where a
        file is missing or is not what the table of media describes."""
        for name, sha256 in ((self.media.frames, self.frames_sha256), (self.media.audio, self.audio_sha256)):
            path = self.folder / str(name)
            if sha256 is not None and (not path.is_file() or sha256_file(path) != sha256):
                raise UserError(f"{path}: not what {TABLE} describes; restore it with `dvc checkout`")
        return Item(
            text=self.text,
            frames=read_frames(self.media, self.folder) if self.frames_sha256 else None,
            audio=read_audio(self.media, self.folder) if self.audio_sha256 else None,
        )


def document_of(media: Media, text: str, modalities: Collection[str], folder: Path) -> Document | None:
    """A video's document; None where it has none of the chosen modalities (text, video, audio). `text` is as
    `document_text` joins it; a sound too short for one audio token is left out; `folder` is the extract artifact's."""
    words = text if "text" in modalities else ""
    frames = media.frames_sha256 if "video" in modalities else None
    long_enough = round(media.audio_seconds * SAMPLE_RATE) >= SHORTEST_AUDIO
    audio = media.audio_sha256 if "audio" in modalities and long_enough else None
    if not (words or frames or audio):
        return None
    shown, digest = len(media.times) if frames else 0, sha256_text(words) if words else None
    return Document(media.video_id, words or None, digest, frames, shown, audio, media, folder)
