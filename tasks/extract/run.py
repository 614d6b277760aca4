"""The extract stage: frames and the audio track of every video in the corpus."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import av
import PIL

from tasks.extract.item import assemble, extract
from tasks.shared.artifacts.corpus import Video, read_videos
from tasks.shared.artifacts.media import Media, read_media, write_media
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.engine import process
from tasks.shared.execution.failures import refuse_too_many, write_failures
from tasks.shared.execution.items import CacheHits, ItemStore
from tasks.shared.execution.params import Params
from tasks.shared.execution.params_sections import Extract
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

JPEG_WIDEST = 65_500  # pixels, libjpeg's limit


def plan(params: Params, root: Path = RESULTS) -> list[Plan[tuple[Video, Extract]]]:
    """What there is to extract of the corpus in a results folder."""
    versions = [av.__version__, av.ffmpeg_version_info, PIL.__version__]
    store = ItemStore("extract", "tasks.extract.item", {"params": params.extract.model_dump(), "versions": versions})
    videos = read_videos(root / "corpus" / "manifest.parquet")
    return [Plan(store, [Item(one.video_id, store.key(one.sha256), (one, params.extract)) for one in videos])]


def write_expected(params: Params, before: Params, changed: Collection[str], present: Path, root: Path) -> None:
    """The table of media as far as plans read it; a changed video may have picture and sound."""
    del before  # the keys of items tell what other params change
    media = read_media(present / "extract")
    for one in (videos := read_videos(root / "corpus" / "manifest.parquet")):
        if one.video_id in changed:
            strip, track, times = f"frames of {one.sha256}", f"audio of {one.sha256}", [0.0] * params.extract.frames
            size, seconds = params.extract.size, float(params.extract.max_audio_seconds)
            media[one.video_id] = Media(
                one.video_id, one.sha256, strip, strip, times, len(times), size, size, track, track, seconds
            )
    write_media(root / "extract", [media[one.video_id] for one in videos if one.video_id in media])


def run(stage: StageRun) -> None:
    """Extract every video; what was extracted before with these params is taken from the item store."""
    check(stage.params.extract)
    videos = read_videos(RESULTS / "corpus" / "manifest.parquet")
    (planned,) = plan(stage.params)
    outcome = process("extract", planned, extract, workers=stage.params.run.workers)
    done = [video for video in videos if video.video_id in outcome.done]
    extracted = [assemble(video, outcome.done[video.video_id], stage.out) for video in progress(done, "collect")]
    refuse_too_many(outcome.failures, len(videos), stage.params.run.max_failed_fraction, "extract")
    write_media(stage.out, extracted)
    write_failures(stage.out, outcome.failures)
    stage.counts = {
        "videos": len(videos),
        "extracted": len(extracted),
        "failed": len(outcome.failures),
        "silent": sum(one.audio is None for one in extracted),
        "without_picture": sum(one.frames is None for one in extracted),
    }
    stage.reused = CacheHits(outcome.reused, planned.size, planned.unit)
    stage.metrics = {"items/decoded": len(extracted) - outcome.reused}


def check(params: Extract) -> None:
    """Raise UserError where a strip would be wider than a JPEG can be."""
    width = params.frames * params.size
    if params.format == "jpeg" and width > JPEG_WIDEST:
        raise UserError(
            f"extract.frames x extract.size is a strip of {width} pixels, more than JPEG's {JPEG_WIDEST}; "
            "set extract.format to png"
        )
