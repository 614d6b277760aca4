"""On-screen text, read by the real reader from real videos whose words are known."""

from __future__ import annotations

import os
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest

from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.execution.failures import read_failures
from tasks.synthetic.events import make_events
from tasks.synthetic.scenes import STYLES, draw_frame, make_shot
from tasks.transcribe import reader
from tasks.transcribe.run import run
from tests.conftest import Workspace
from tests.transcribe.conftest import FLOOD, SECOND
from tests.transcribe.slides import slide

needs_reader = pytest.mark.skipif(reader.find_spec("rapidocr") is None, reason="rapidocr is optional")
OUT = Path("results/transcribe")


@needs_reader
def test_slides_are_read_word_for_word_each_line_once(shows: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    shows.set_params({"transcribe.ocr": "rapidocr"})
    manifest = shows.run("transcribe", run)
    found = read_transcripts()
    assert str(found["wide"].ocr).split("\n") == [*FLOOD, *SECOND]
    assert (found["plain"].ocr, found["tone.m4a"].ocr) == ("", None)
    counts = manifest["counts"]
    assert (counts["tracks"], counts["read"], counts["without_text"], counts["not_read"]) == (1, 2, 1, 0)
    assert manifest["components"]["rapidocr"] and manifest["components"]["opencv-python-headless"]

    first = (OUT / "transcripts.parquet").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("tasks.transcribe.reader.load", lambda: pytest.fail("loaded to read nothing"))
        shows.run("transcribe", run)
    monkeypatch.setenv("REELTRACE_STORE", "another")
    shows.set_params({"run.workers": 2})
    shows.run("transcribe", run)
    assert (OUT / "transcripts.parquet").read_bytes() == first


@needs_reader
def test_a_video_that_is_gone_or_another_is_its_own_failure(shows: Workspace) -> None:
    shows.set_params({"transcribe.ocr": "rapidocr", "run.max_failed_fraction": 0.5})
    clip = Path("clips/plain.mp4")
    clip.rename("plain.away")
    manifest = shows.run("transcribe", run)
    (failure,) = read_failures(OUT)
    assert (failure.video_id, failure.step, failure.error) == ("plain", "ocr", "UnreadableVideoError")
    assert "is gone since the corpus stage" in failure.message
    assert manifest["counts"]["not_read"] == 1
    assert "Flood" in str(read_transcripts()["wide"].ocr) and "plain" not in read_transcripts()
    Path("clips/wide.mp4").rename(clip)
    shows.set_params({"run.max_failed_fraction": 0.4})
    done = shows.program("tasks.transcribe")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "ocr: 1 of 2 items failed" in done.stderr and "has changed since the corpus stage" in done.stderr


def test_without_the_package_it_is_one_line_before_any_work(shows: Workspace, tmp_path: Path) -> None:
    shows.set_params({"transcribe.ocr": "rapidocr", "transcribe.source": "whisper"})
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, p=None: n != 'rapidocr' and f(n, p) "
    program = f"{hide}or None\nimport runpy; runpy.run_module('tasks.transcribe', run_name='__main__', alter_sys=True)"
    (tmp_path / "hidden.py").write_text(program)
    os.environ["PYTHONPATH"] += os.pathsep + str(tmp_path)
    done = shows.program("hidden")
    assert (done.returncode, done.stderr) == (
        2,
        "transcribe: transcribe.ocr: rapidocr is not installed; `pip install rapidocr`, or set it to shipped or none\n",
    )
    assert not OUT.exists()


@needs_reader
def test_what_was_drawn_is_read_back() -> None:
    """Slides without a fault; the demo's plates, which letters fill from edge to edge, mostly."""
    words = ["Ships return to port", "1,500 people safe", "Ça commence à l'été"]
    assert reader.lines_in(slide(words)) == words
    assert reader.lines_in(slide(words, (640, 360), 20)) == words
    assert reader.lines_in(np.full((360, 640, 3), 128, np.uint8)) == []
    alike = []
    for place, event in enumerate(make_events(7, 12)):
        shot = make_shot(STYLES[place % 3], np.random.default_rng(place))
        found = " ".join(reader.lines_in(draw_frame(event, 0.5, 180, 240, shot=shot)))
        alike.append(SequenceMatcher(None, " ".join(event.sign), found).ratio())
    assert np.mean(alike) > 0.9
