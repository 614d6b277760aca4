from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pytest
from av.error import FFmpegError

from tasks.corpus.demo import CATEGORIES, CATEGORY_OF, write_demo
from tasks.corpus.demo_media import make_file
from tasks.corpus.demo_plan import Plan, plan_videos
from tasks.shared.artifacts.corpus import Judgment, Query, Video
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file
from tasks.synthetic.events import demo_events, taken_by
from tasks.synthetic.lexicon import KINDS, LANGUAGES, ROLES, THINGS
from tasks.synthetic.sentences import QUERY_TYPES

Demo = tuple[Path, list[Video], list[Query], list[Judgment]]
SMALL = {"seed": 7, "train_events": 2, "test_events": 2}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A corpus small enough to make in seconds: 13 videos of five events."""
    out = tmp_path_factory.mktemp("demo")
    return out, *write_demo(out, **SMALL, workers=2)


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    """The plans of the whole demo."""
    return plan_videos(7, demo_events(7, 32, 32))


def is_broken(path: Path) -> bool:
    try:
        with av.open(str(path)) as container:
            return not sum(1 for _ in container.decode(video=0))
    except FFmpegError:
        return True


def test_tables_tell_of_the_files(demo: Demo) -> None:
    out, videos, _, _ = demo
    assert len(videos) == 13
    assert {out / video.path for video in videos} == set((out / "videos").iterdir())
    for video in videos:
        assert (video.bytes, video.sha256) == ((out / video.path).stat().st_size, sha256_file(out / video.path))


def test_all_but_one_file_decode_with_the_streams_that_were_planned(demo: Demo) -> None:
    out, videos, _, _ = demo
    plans = {plan.video_id: plan for plan in plan_videos(7, demo_events(7, 2, 2))}
    names = {"h264": "h264", "vp9": "vp9", "av1": "libdav1d"}
    broken = [video for video in videos if is_broken(out / video.path)]
    assert [(video.split, plans[video.video_id].broken, video.duration) for video in broken] == [("test", True, None)]
    assert broken[0].title is not None
    for video in videos:
        if video in broken:
            continue
        plan = plans[video.video_id]
        with av.open(str(out / video.path)) as container:
            assert bool(container.streams.audio) == plan.audio
            stream = container.streams.video[0]
            assert stream.codec_context.name == names[plan.codec]
            frames = [frame.time for frame in container.decode(stream)]
        assert len(frames) >= plan.seconds * plan.fps - 1
        assert np.allclose(np.diff(frames), 1 / plan.fps, atol=2e-3)
        assert video.duration == pytest.approx(len(frames) / plan.fps, abs=0.15)
    assert {plan.codec for plan in plans.values()} == {"h264", "vp9", "av1"}


def test_files_are_the_same_in_one_process_whatever_lies_in_memory(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_PERTURB_", "77")  # glibc fills what it hands out: reads of unset memory show
    again = write_demo(tmp_path, **SMALL, workers=1)
    assert again == demo[1:]


def test_sound_and_picture_start_together_and_last_as_long(demo: Demo) -> None:
    out, videos, _, _ = demo
    heard = 0
    for video in videos:
        if video.duration is None:
            continue
        with av.open(str(out / video.path)) as container:
            if not container.streams.audio:
                continue
            samples = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
            rate = container.streams.audio[0].codec_context.sample_rate
        assert len(samples) / rate == pytest.approx(video.duration, abs=0.2)
        assert np.abs(samples).max() > 0.1
        heard += 1
    assert heard >= 9


def test_a_plan_makes_the_same_file_alone(demo: Demo, tmp_path: Path) -> None:
    plan = plan_videos(7, demo_events(7, 2, 2))[4]
    make_file(plan, tmp_path / "alone.mp4")
    assert sha256_file(tmp_path / "alone.mp4") == sha256_file(demo[0] / plan.path)


@pytest.mark.skipif(sys.platform != "linux", reason="only there the encoder asks for it")
def test_encoding_leaves_nobody_at_real_time_priority(tmp_path: Path) -> None:
    plan = next(one for one in plan_videos(7, demo_events(7, 2, 2)) if one.codec == "av1")
    make_file(plan, tmp_path / "av1.mp4")
    told = subprocess.run(
        [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"], capture_output=True, check=True
    )
    assert int(told.stdout) == os.sched_getscheduler(0) == os.SCHED_OTHER


def test_the_whole_demo_has_the_promised_mixture(plans: list[Plan]) -> None:
    count = len(plans)
    assert count >= 190
    assert len({plan.video_id for plan in plans}) == count
    codecs = Counter(plan.codec for plan in plans)
    assert 0.09 < codecs["vp9"] / count < 0.15
    assert 0.03 < codecs["av1"] / count < 0.07
    assert 0.05 < np.mean([not plan.audio for plan in plans]) < 0.11
    assert 0.06 < np.mean([plan.title is None for plan in plans]) < 0.14
    assert 0.38 < np.mean([plan.language == "en" for plan in plans if plan.spoken]) < 0.52
    languages = Counter(plan.event.language for plan in plans)
    assert set(languages) == set(LANGUAGES)
    assert max(languages.values()) < 1.3 * min(languages.values())
    assert {(plan.width > plan.height) - (plan.width < plan.height) for plan in plans} == {-1, 0, 1}
    assert [(plan.split, plan.style) for plan in plans if plan.broken] == [("test", "edited")]


def test_train_test_and_distractors_share_no_combination() -> None:
    demo = demo_events(7, 32, 32)
    groups = [taken_by(events) for part in (demo.queried, demo.distractors) for events in part.values()]
    assert len(frozenset.union(*groups)) == sum(map(len, groups)) == 4 * len(demo.all()) == 4 * 80
    for split in ("train", "test"):
        kinds = Counter(event.kind for event in demo.queried[split])  # type: ignore[index]
        assert min(kinds.values()) >= 2  # so the kind alone never tells the event


def test_every_kind_of_event_is_of_one_category_and_each_has_enough_test_queries() -> None:
    assert sorted(kind for kinds in CATEGORIES.values() for kind in kinds) == sorted(KINDS)
    events = Counter(CATEGORY_OF[event.kind] for event in demo_events(7, 32, 32).queried["test"])
    assert set(events) == set(CATEGORIES) and min(events.values()) * len(QUERY_TYPES) >= 16


def metadata(plan: Plan | Video) -> str:
    return " ".join(filter(None, (plan.title, plan.description, plan.caption)))


def test_what_is_said_and_written_in_the_picture_is_in_no_metadata(plans: list[Plan]) -> None:
    words = [(row, language) for table in (ROLES, THINGS) for row in table.values() for language in LANGUAGES]
    for plan in plans:
        text = metadata(plan).lower()
        assert not any(word.lower() in text for word in plan.event.sign)
        tokens = set(re.findall(r"\w+", text))
        for row, language in words:
            word = row[language].split()[-1]
            assert word not in (text if language in ("zh", "ko") and len(word) > 1 else tokens), (word, text)
        assert not any(word in (plan.spoken or "") for word in plan.event.sign)


def judged(demo_judgments: Iterable[Judgment]) -> dict[str, set[str]]:
    positives: dict[str, set[str]] = {}
    for judgment in demo_judgments:
        assert judgment.relevance == 1
        positives.setdefault(judgment.query_id, set()).add(judgment.video_id)
    return positives


def test_judgments_follow_what_is_really_there(demo: Demo) -> None:
    _, _, queries, judgments = demo
    plans = plan_videos(7, demo_events(7, 2, 2))
    positives = judged(judgments)
    assert set(positives) == {query.query_id for query in queries}
    assert len(queries) == 4 * len(QUERY_TYPES)
    for query in queries:
        same = {plan.video_id: plan for plan in plans if plan.event.event_id == query.event}
        assert positives[query.query_id] <= set(same)
        for video_id, plan in same.items():
            there = {
                "base": True,
                "description": not plan.broken,
                "speech": not plan.broken and plan.spoken is not None,
                "ocr": not plan.broken and plan.sign,
            }[str(query.type)]
            assert (video_id in positives[query.query_id]) == there
            assert plan.split == query.split


def test_no_query_rests_on_the_broken_file(plans: list[Plan]) -> None:
    by_event: dict[str, list[Plan]] = {}
    for plan in plans:
        by_event.setdefault(plan.event.event_id, []).append(plan)
    for event in (event for events in demo_events(7, 32, 32).queried.values() for event in events):
        whole = [plan for plan in by_event[event.event_id] if not plan.broken]
        assert any(plan.payload for plan in whole)
        assert any(plan.sign for plan in whole)


def test_queries_ask_in_all_languages_and_differ(demo: Demo) -> None:
    _, videos, queries, _ = demo
    assert len({query.text for query in queries}) == len(queries)
    assert {query.language for query in queries} == set(LANGUAGES)
    assert not {query.text for query in queries} & {video.title for video in videos}
    assert all(re.fullmatch(r"demo_[a-z]+_\d{3}_(base|description|speech|ocr)_0", query.query_id) for query in queries)


def test_another_seed_is_another_corpus() -> None:
    first, second = (plan_videos(seed, demo_events(seed, 2, 2)) for seed in (7, 8))
    assert not {plan.video_id for plan in first} & {plan.video_id for plan in second}


def test_too_many_events_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lower train_events or test_events"):
        write_demo(tmp_path, seed=7, train_events=100, test_events=100)
    assert not list(tmp_path.iterdir())
