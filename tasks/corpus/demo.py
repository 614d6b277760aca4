"""The demo corpus: a small imitation of MultiVENT 2.0, drawn, spoken and encoded on the spot from a seed.

What it is not: real footage. Its events are combinations from closed vocabularies (`tasks.synthetic.lexicon`), its
pictures are drawings and its voices synthetic, so scores on it say that the pipeline works, not how well it would
do on the world's videos.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tasks.corpus.demo_plan import Plan, plan_videos
from tasks.corpus.duration import duration_of
from tasks.shared.artifacts.corpus import Judgment, Query, Video
from tasks.shared.runtime.files import sha256_file
from tasks.shared.runtime.progress import progress
from tasks.synthetic.events import DemoEvents, demo_events
from tasks.synthetic.lexicon import LANGUAGE_NAMES, LANGUAGES
from tasks.synthetic.seeding import rng_for
from tasks.synthetic.sentences import QUERY_TYPES, query

CATEGORIES = {
    "emergency": ("flood", "wildfire", "earthquake", "storm", "snowfall"),
    "politics": ("election", "protest"),
    "sports": ("football", "marathon"),
    "other": ("concert", "parade", "rocket"),
}  # of kinds of events, in words like MultiVENT's
CATEGORY_OF = {kind: category for category, kinds in CATEGORIES.items() for kind in kinds}


def write_demo(
    out: Path, *, seed: int, train_events: int = 32, test_events: int = 32, workers: int = 2
) -> tuple[list[Video], list[Query], list[Judgment]]:
    """Make the demo's files under `out/videos` and return its three tables; paths are relative to `out`.

    Equal arguments give equal bytes, whatever `workers`. Raises UserError where more events are asked for than
    there are combinations.
    """
    demo = demo_events(seed, train_events, test_events)
    plans = plan_videos(seed, demo)
    (out / "videos").mkdir(parents=True, exist_ok=True)
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawned, initializer=_hush) as pool:
        made = pool.map(partial(_make, out), plans, chunksize=4)
        videos = list(progress(made, "corpus", total=len(plans)))
    queries = _queries(seed, demo)
    return videos, queries, _judgments(plans, queries)


def _hush() -> None:
    os.environ["SVT_LOG"] = "1"  # else the AV1 encoder prints its settings on standard error for every file


def _make(out: Path, plan: Plan) -> Video:
    from tasks.corpus.demo_media import make_file

    path = out / plan.path
    make_file(plan, path)
    seconds = None if plan.broken else duration_of(path)
    same = ("video_id", "path", "title", "description", "caption", "language", "split")
    return Video(
        **{name: getattr(plan, name) for name in same},
        sha256=sha256_file(path),
        bytes=path.stat().st_size,
        duration=seconds and round(seconds, 3),
        video_type=plan.style,
        event=plan.event.event_id,
    )


def _queries(seed: int, demo: DemoEvents) -> list[Query]:
    """One query of each type an event; languages turn so that every type is asked in all six."""
    queries = []
    numbered = enumerate((split, event) for split, events in demo.queried.items() for event in events)
    for index, (split, event) in numbered:
        for turn, type in enumerate(QUERY_TYPES):
            language = LANGUAGES[(index + turn) % len(LANGUAGES)]
            query_id = f"demo_{LANGUAGE_NAMES[language]}_{index:03d}_{type}_0"
            text = query(event, type, language, rng_for(seed, "query", query_id))
            category = CATEGORY_OF[event.kind]
            queries.append(Query(query_id, text, language, type, split, event.event_id, category))
    return queries


def _judgments(plans: list[Plan], queries: list[Query]) -> list[Judgment]:
    """Relevance 1 for the videos of a query's event in which its answer really is."""
    answered = {  # what a video holds, by event and type of query; a broken one is about its event and shows nothing
        plan.video_id: {
            "base": True,
            "description": shown,
            "speech": shown and plan.payload,
            "ocr": shown and plan.sign,
        }
        for plan in plans
        for shown in [not plan.broken]
    }
    by_event: dict[str, list[str]] = {}
    for plan in plans:
        by_event.setdefault(plan.event.event_id, []).append(plan.video_id)
    return [
        Judgment(asked.query_id, video_id, 1)
        for asked in queries
        for video_id in by_event[str(asked.event)]
        if answered[video_id][str(asked.type)]
    ]
