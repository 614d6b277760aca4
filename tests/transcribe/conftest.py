"""A workspace whose videos are slides with known words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.corpus.run import run as corpus
from tasks.extract.run import run as extract
from tests.conftest import Workspace, make_video
from tests.transcribe.slides import slide, slide_show

FLOOD = ["Flood in the old harbour", "Emergency number 0800 123 456"]
SECOND = ["Überschwemmung im Hafen", "Inundación en el puerto"]


@pytest.fixture
def shows(workspace: Workspace) -> Workspace:
    """`wide`: two slides of 1600 x 900; `plain`: a white one; `tone`: sound alone. Extracted."""
    clips = Path("clips")
    clips.mkdir()
    size = (1600, 900)
    slide_show(clips / "wide.mp4", [slide(FLOOD, size, 44), slide([FLOOD[0], *SECOND], size, 44)])
    slide_show(clips / "plain.mp4", [slide([], (640, 360))])
    make_video(clips / "tone.m4a.mp4", frames=0, audio_seconds=0.5)
    workspace.set_params({"corpus.source": "folder", "corpus.path": "clips", "extract.frames": 4, "run.workers": 1})
    publish()
    return workspace


def publish(**features: dict[str, Any]) -> None:
    """Run corpus and extract, with these rows of metadata by file's stem."""
    rows = [{"file": f"{name}.mp4", **row} for name, row in features.items()]
    Path("clips/metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    here = Workspace(Path.cwd())
    here.run("corpus", corpus, ("av",))
    here.run("extract", extract)
