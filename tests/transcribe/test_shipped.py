"""Words that came with the videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.shared.artifacts.corpus import read_videos
from tasks.shared.artifacts.document import document_text
from tasks.shared.artifacts.shipped import read_shipped
from tasks.shared.artifacts.transcripts import Transcript, read_transcripts
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json
from tasks.transcribe.run import run
from tests.conftest import Workspace
from tests.transcribe.conftest import publish

WIDE = {"title": "Harbour", "transcript": "the water  rose\tall night", "ocr": "FLOOD\nNEWS 24\nflood"}


def test_shipped_words_become_the_transcript_and_no_model_is_needed(shows: Workspace) -> None:
    publish(wide=WIDE, plain={"transcript": " "}, **{"tone.m4a": {"ocr": "nothing to see"}})
    shows.set_params({"transcribe.source": "shipped", "transcribe.ocr": "shipped", "transcribe.model": "./none"})
    manifest = shows.run("transcribe", run)
    digests = {one.video_id: one.digest() for one in read_shipped()}
    assert read_transcripts() == {
        "tone.m4a": Transcript("tone.m4a", "", None, 0.0, [], "nothing to see", shipped_sha256=digests["tone.m4a"]),
        "wide": Transcript(
            "wide", "the water rose all night", None, 0.0, [], "FLOOD\nNEWS 24", shipped_sha256=digests["wide"]
        ),
    }
    assert manifest["counts"] == {
        "transcribed": 1, "without_speech": 0, "without_transcript": 2, "read": 2, "without_text": 0, "without_ocr": 1,
    }  # fmt: skip
    assert read_json(Path("results/transcribe/model.json")) == {"model": None, "revision": None, "digest": None}


def test_on_screen_text_joins_the_text_where_params_put_it(shows: Workspace) -> None:
    publish(wide=WIDE)
    shows.set_params({"transcribe.source": "shipped", "transcribe.ocr": "shipped"})
    shows.run("transcribe", run)
    video = next(one for one in read_videos(Path("results/corpus/manifest.parquet")) if one.video_id == "wide")
    said = read_transcripts()["wide"]
    assert document_text(video, said, ["title", "ocr", "transcript"]) == (
        "Harbour\tFLOOD NEWS 24\tthe water rose all night"
    )
    assert document_text(video, said, ["transcript", "ocr"]) == "the water rose all night\tFLOOD NEWS 24"
    assert document_text(video, said, ["title", "transcript"]) == "Harbour\tthe water rose all night"
    assert document_text(video, None, ["ocr"]) == ""


def test_whisper_hears_and_shipped_text_is_read(shows: Workspace) -> None:
    publish(wide={"ocr": "STOP", "transcript": "is not asked for"})
    shows.set_params({"transcribe.ocr": "shipped"})
    manifest = shows.run("transcribe", run)
    assert {name: (one.text, one.ocr) for name, one in read_transcripts().items()} == {
        "tone.m4a": ("", None), "wide": ("", "STOP"),
    }  # fmt: skip
    assert (manifest["counts"]["tracks"], manifest["counts"]["read"]) == (1, 1)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("source", "transcribe.source: no transcript is shipped beside these videos; set it to whisper"),
        ("ocr", "transcribe.ocr: no on-screen text is shipped beside these videos; set it to rapidocr or none"),
    ],
)
def test_nothing_shipped_at_all_is_one_line(shows: Workspace, key: str, says: str) -> None:
    shows.set_params({f"transcribe.{key}": "shipped"})
    with pytest.raises(UserError) as error:
        shows.run("transcribe", run)
    assert str(error.value) == says
