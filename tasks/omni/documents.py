"""Videos as documents: what of a video is embedded, loaded when it is needed, and the digest that identifies it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.omni.item import Item
from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.document import document_text
from tasks.shared.artifacts.media import TABLE, Media, read_audio, read_frames, read_media
from tasks.shared.artifacts.publish import RESULTS
from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.errors import UserError
from tasks.shared.files import sha256_file, sha256_json

NOT_EXTRACTED = "not extracted"


@dataclass(frozen=True)
class Document:
    """One video as the embedder sees it: only the chosen modalities that it has.

    Attributes:
        video_id: of the video.
        text: None where text is not chosen or the video has none.
        media: where its picture and sound lie.
        video: whether its frames are part of the document.
        audio: whether its sound is.
        folder: the extract artifact's.
    """

    video_id: str
    text: str | None
    media: Media
    video: bool
    audio: bool
    folder: Path

    @property
    def digest(self) -> str:
        """Identity of the content: equal documents have equal digests, whatever their video's id."""
        frames = [self.media.frames_sha256, len(self.media.times)] if self.video else None
        return sha256_json([self.text, frames, self.media.audio_sha256 if self.audio else None])

    def load(self) -> Item:
        """The item, its frames and sound read from disk and proved to be those of the digest.

        Raises UserError where a file is missing or is not what the table of media describes.
        """
        if self.video:
            self._prove(self.media.frames, self.media.frames_sha256)
        if self.audio:
            self._prove(self.media.audio, self.media.audio_sha256)
        return Item(
            text=self.text,
            frames=read_frames(self.media, self.folder) if self.video else None,
            audio=read_audio(self.media, self.folder) if self.audio else None,
        )

    def _prove(self, name: str | None, sha256: str | None) -> None:
        path = self.folder / str(name)
        if not path.is_file() or sha256_file(path) != sha256:
            raise UserError(f"{path}: not what {TABLE} describes; restore it with `dvc checkout`")


def read_documents(
    videos: Iterable[Video], modalities: Collection[str], text_fields: Sequence[str], root: Path = RESULTS
) -> tuple[dict[str, Document], dict[str, str]]:
    """The videos' documents by video id, in the order given, and why the other videos have none.

    Nothing but tables is read here. A video that failed in extraction has the reason `NOT_EXTRACTED`; one with none
    of the chosen modalities says which were asked for.

    Args:
        videos: of the corpus.
        modalities: out of text, video, audio.
        text_fields: what the text is made of, in this order.
        root: the results folder that holds the extract and transcribe artifacts.
    """
    media, transcripts = read_media(root / "extract"), read_transcripts(root / "transcribe")
    documents: dict[str, Document] = {}
    unusable: dict[str, str] = {}
    for video in videos:
        video_id = video.video_id
        if video_id not in media:
            unusable[video_id] = NOT_EXTRACTED
            continue
        one = media[video_id]
        text = document_text(video, transcripts.get(video_id), text_fields) if "text" in modalities else ""
        has_video = "video" in modalities and one.frames is not None
        has_audio = "audio" in modalities and one.audio is not None
        if text or has_video or has_audio:
            documents[video_id] = Document(video_id, text or None, one, has_video, has_audio, root / "extract")
        else:
            unusable[video_id] = f"it has nothing to encode with modalities {', '.join(modalities)}"
    return documents, unusable
