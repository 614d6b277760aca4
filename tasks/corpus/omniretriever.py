"""OmniRetriever-Bench: triples of a text, a video and its sound, to be found by each other in twelve directions.

What is expected under `corpus.path`, as its documentation (Omni-Retriever, arXiv 2605.26641) lays it out:

    manifests/omniretriever_bench.jsonl   {"id", "text", "video", "audio"}; or another omniretriever_bench*.jsonl
    videos/...                            clips, cut; the sound is in the clip, or in a file of its own beside it

`video` and `audio` are paths as seen from `corpus.path`, or from the folder above it (`benchmark/videos/1.mp4`).
Without `audio`, or where it names the video itself, the sound is the clip's own; another file is its sound in place of
that, and both are put into one file in the item store, without encoding anything again. `manifests/by_direction/` and
`annotations/` say nothing more and are not read.

Each triple is a video of the test split with the text as its caption, and there are no queries and no judgments:
`evaluate.directions` measures it. A triple whose files are missing or damaged is left out, counted and printed: over
fewer triples every direction is easier, so such scores do not compare with the published ones of 3,782.

Published is only a table of addresses and times of clips (OmniRetriever-Bench.csv); to fetch and cut them is the
user's, and so are the rights in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tasks.corpus.fingerprints import fingerprints
from tasks.corpus.join import UnjoinableError, joined
from tasks.corpus.source import Source, directory
from tasks.corpus.tables import Row
from tasks.shared.artifacts.corpus import Video
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import numbered_jsonl
from tasks.shared.runtime.progress import progress

MANIFESTS = "manifests/omniretriever_bench*.jsonl"
FIELDS = ("id", "text", "video", "audio")
TABLE = "OmniRetriever-Bench.csv"


class Triple(NamedTuple):
    """One line of the manifest: its id and text, its clip, and the file of its sound where that is another."""

    triple_id: str
    text: str
    video: Path
    sound: Path | None


def read_omniretriever(path: Path, workers: int) -> Source:
    """Read OmniRetriever-Bench laid out as above. Raises UserError for what is malformed, and where nothing is left."""
    manifest = _manifest(directory(path))
    missing: list[str] = []
    triples = [one for where, row in numbered_jsonl(manifest) if (one := _triple(path, where, row, missing))]
    files = [file for one in triples for file in (one.video, one.sound) if file]
    marks = fingerprints(list(dict.fromkeys(files)), workers)
    kept: list[tuple[Triple, Path]] = []
    for one in progress(triples, "join", unit="clip"):
        try:
            sound = one.sound and joined(one.video, marks[one.video].sha256, one.sound, marks[one.sound].sha256)
            kept.append((one, sound or one.video))
        except UnjoinableError as error:
            missing.append(f"{one.triple_id} ({error})")
    if not kept:
        raise UserError(f"{manifest}: no triple has its files, the first: {(missing or ['it is empty'])[0]}")
    marks |= fingerprints([file for _, file in kept if file not in marks], workers)
    videos = [
        Video(one.triple_id, file.as_posix(), **marks[file]._asdict(), caption=one.text, split="test")
        for one, file in kept
    ]
    return Source(videos, [], [], read=[manifest], missing=missing)


def _manifest(path: Path) -> Path:
    found = sorted(path.glob(MANIFESTS))
    if len(found) > 1:
        raise UserError(f"{path} has {' and '.join(one.name for one in found)} in manifests/; keep one of them")
    if not found:
        table = f"; {TABLE} names clips by address and time: fetch and cut them" if (path / TABLE).exists() else ""
        raise UserError(f"{path} has no {MANIFESTS}{table}; write a line {{id, text, video, audio}} for each triple")
    return found[0]


def _triple(path: Path, where: str, raw: Mapping[str, Any], missing: list[str]) -> Triple | None:
    """A line's triple; None, and its id among the missing, where a file is not there."""
    row = Row(where, {name: str(raw[name]).strip() for name in FIELDS if isinstance(raw.get(name), str | int)})
    triple_id, text, video = (row.required(name) for name in FIELDS[:3])
    files = {name: _file(path, where, name) for name in (video, row.fields.get("audio") or video)}
    if absent := [name for name, file in files.items() if file is None]:
        missing.append(f"{triple_id} ({absent[0]})")
        return None
    first, *other = (file for file in files.values() if file is not None)
    return Triple(triple_id, text, first, other[0] if other else None)


def _file(path: Path, where: str, name: str) -> Path | None:
    """Where a named file is: below the folder, whose own name may begin the path. Raises UserError for a way out."""
    parts = PurePosixPath(name).parts
    if PurePosixPath(name).is_absolute() or ".." in parts:
        raise UserError(f"{where}: {name} leads out of {path}; name files as seen from it")
    places = (path.joinpath(*parts), path.joinpath(*parts[1:]))
    return next((one for one in places if one.is_file()), None)
