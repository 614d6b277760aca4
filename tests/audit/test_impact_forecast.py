"""What is forecast, against what really happens: things are changed, the stages run, and the numbers compared."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasks.audit.impact.answer import Impact
from tasks.audit.impact.lesson import mined_again
from tasks.audit.impact.state import State

from tasks.audit.impact.change import Change, Share, StageForecast
from tasks.audit.impact.forecast import forecast
from tasks.audit.impact.impact import impact
from tasks.lineage.open import workspace
from tasks.mine.filtering import mined, threshold
from tests.audit.own_videos import STRANGER, OwnVideos, lay_out
from tests.project import Project


@pytest.fixture(scope="module")
def made(project: Project, mlflow_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnVideos]:
    """The project of own videos after its first run."""
    own = lay_out(project, tmp_path_factory.mktemp("own") / "project", mlflow_database)
    with pytest.MonkeyPatch.context() as patch:
        _enter(patch, own.root)
        own.repro()
        yield own


@pytest.fixture
def own(made: OwnVideos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnVideos:
    """A copy of it to change."""
    root = tmp_path / "project"
    shutil.copytree(made.root, root, symlinks=True)
    _enter(monkeypatch, root)
    return OwnVideos(root)


def _enter(patch: pytest.MonkeyPatch, root: Path) -> None:
    patch.chdir(root)
    patch.setenv("REELTRACE_STORE", str(root / ".reeltrace"))
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")


def _first(state: State, split: str) -> str:
    return next(one.video_id for one in state.videos.values() if one.split == split and one.video_id in state.media)


def _query(state: State, split: str) -> str:
    return next(one.query_id for one in state.queries.values() if one.split == split)


Case = Callable[[OwnVideos, State], Change]


def film(split: str) -> Case:
    def change(own: OwnVideos, state: State) -> Change:
        own.film(video_id := _first(state, split))
        return Change(videos=(state.videos[video_id],))

    return change


def film_stranger(own: OwnVideos, state: State) -> Change:
    own.film(STRANGER)
    return Change(videos=(state.videos[STRANGER],))


def take_away(own: OwnVideos, state: State) -> Change:
    gone = (_first(state, "test"), STRANGER)
    for video_id in gone:
        own.take_away(video_id)
    return Change(videos=tuple(state.videos[one] for one in gone), removed=True)


def ask(split: str) -> Case:
    def change(own: OwnVideos, state: State) -> Change:
        own.ask(query_id := _query(state, split), "something else altogether")
        return Change(queries=(state.queries[query_id],))

    return change


def param(section: str, key: str, value: Any) -> Case:
    def change(own: OwnVideos, state: State) -> Change:
        own.params(section, **{key: value})
        return Change(params={f"{section}.{key}": value})

    return change


def several(*cases: Case) -> Case:
    def change(own: OwnVideos, state: State) -> Change:
        changes = [case(own, state) for case in cases]
        return Change(
            videos=tuple(one for each in changes for one in each.videos),
            queries=tuple(one for each in changes for one in each.queries),
            params={key: value for each in changes for key, value in each.params.items()},
        )

    return change


ALL = ["corpus", "extract", "transcribe", "mine", "train", "encode", "evaluate"]
CASES: dict[str, tuple[Case, list[str], dict[str, int]]] = {
    # what is changed; the stages that run; and what is really made again: decoded, heard, trainings, encoded
    "a training video": (film("train"), ALL, {"extract": 1, "transcribe": 1, "train": 1, "encode": 13}),
    "a test video and a query": (
        several(film("test"), ask("test")), ALL, {"extract": 1, "transcribe": 1, "train": 0, "encode": 4},
    ),
    "a video that training never shows": (film_stranger, ALL, {"extract": 1, "transcribe": 1}),
    "two videos less": (take_away, ALL, {"extract": 0, "transcribe": 0, "train": 0, "encode": 0}),
    "a test query": (ask("test"), ["corpus", *ALL[3:]], {"train": 0, "encode": 2}),
    "a training query": (ask("train"), ["corpus", *ALL[3:]], {"train": 1, "encode": 13}),
    "evaluate": (param("evaluate", "bootstrap", 200), ALL[6:], {}),
    "more negatives": (param("mine", "keep", 4), ALL[3:6], {"train": 0, "encode": 0}),
    "a margin": (param("mine", "relative_margin", 0.05), ALL[3:], {"train": 1, "encode": 13}),
    "training modalities": (param("train", "modalities", ["video"]), ALL[4:], {"train": 1, "encode": 13}),
    "fewer indexed modalities": (param("encode", "modalities", ["audio"]), ALL[5:], {"encode": 10}),
    "both": (
        several(param("train", "modalities", ["text"]), param("encode", "modalities", ["video", "audio"])), ALL[4:],
        {"train": 1, "encode": 18},
    ),
    "indexed modalities and fewer frames": (
        several(param("encode", "modalities", ["text"]), param("extract", "frames", 3)), ALL[1:], {"train": 1},
    ),
    "documents that some videos lack": (
        several(param("document", "test_text", ["title"]), param("encode", "modalities", ["text"])), ALL[5:], {},
    ),
    "words of training documents": (param("document", "train_text", ["title"]), ALL[3:], {"train": 1}),
    "a longer query": (param("encode", "max_query_tokens", 500), ALL[5:], {"encode": 16}),
    "longer documents": (param("document", "max_text_tokens", 500), ALL[3:], {"train": 1}),
    "workers": (param("run", "workers", 1), [], {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_forecast_is_what_happens(case: str, own: OwnVideos) -> None:
    change, stages, remade = CASES[case]
    state = State(workspace())
    state.videos, state.queries, state.media  # noqa: B018  # as they are before the change
    told = forecast(state, change(own, state))
    real = own.repro()
    assert list(real) == stages
    assert [one.stage for one in told if one.runs == "yes" and one.stage != "report"] == stages
    counted = {stage: _remade(real, stage) for stage in real if stage in KEPT}
    assert {stage: counted[stage] for stage in remade} == remade
    for stage, count in counted.items():
        low, high = _foretold(told, stage)
        assert low <= count <= high, stage
        if stage in remade:
            assert low == high, f"{stage} could have been told exactly"


KEPT = ("extract", "transcribe", "train", "encode")


def _foretold(told: list[StageForecast], stage: str) -> tuple[int, int]:
    shares: list[Share] = next(one.shares for one in told if one.stage == stage)
    again = [one for one in shares if "failed" not in one.what]
    return sum(one.low for one in again), sum(one.high for one in again)


def _remade(real: dict[str, dict[str, float]], stage: str) -> float:
    """What a stage made that was not in the store, as MLflow has it."""
    metrics = real[stage]
    if stage == "train":
        return 1 - metrics["items/reused"]
    if stage == "encode":
        each = metrics["count/indexed"] + metrics["count/queries"]
        return metrics["count/systems"] * each - metrics["items/reused"]
    return metrics["items/decoded" if stage == "extract" else "items/heard"]


OMNI: dict[str, tuple[Case, int]] = {  # what is changed, and how many vectors mining by the base makes for it
    "a training video": (film("train"), 1),
    "a video that training never shows": (film_stranger, 1),
    "two videos less": (take_away, 0),
    "a training query": (ask("train"), 1),
    "fewer candidates": (param("mine", "depth", 3), 0),
}


@pytest.mark.parametrize("case", OMNI)
def test_mining_by_the_base_is_forecast(case: str, own: OwnVideos) -> None:
    own.params("mine", source="omni")
    own.params("train", modalities=["text"])  # so that pictures decide the negatives alone
    own.repro()
    state = State(workspace())
    state.videos, state.queries, state.media  # noqa: B018  # as they are before the change
    change, made = OMNI[case]
    told = forecast(state, change(own, state))
    real = own.repro()
    mine, trained = (next(one for one in told if one.stage == stage) for stage in ("mine", "train"))
    vectors = [one for one in mine.shares if one.what.startswith("base ")]
    counts = real["mine"]
    videos = sum(one.split == "train" for one in State(workspace()).videos.values())
    asked = videos - counts["count/not_extracted"] - counts["count/without_chosen_modalities"] + counts["count/queries"]
    assert asked == sum(one.of for one in vectors)
    assert asked - counts["items/reused"] == made
    assert sum(one.low for one in vectors) <= made <= sum(one.high for one in vectors)
    low, high = trained.shares[0].low, trained.shares[0].high
    assert low <= 1 - real["train"]["items/reused"] <= high


def test_documents_that_were_not_there_before(own: OwnVideos) -> None:
    own.params("document", test_text=["title"])
    own.params("encode", modalities=["text"])
    before = own.repro()["encode"]["count/indexed"]
    state = State(workspace())
    told = forecast(state, param("encode", "modalities", ["video"])(own, state))
    after = own.repro()["encode"]["count/indexed"]
    assert after == before + 1
    encode = next(one for one in told if one.stage == "encode")
    assert {one.of for one in encode.shares if one.what.endswith("documents")} == {after}
    assert [one.stage for one in told if one.runs == "yes"] == ["encode", "evaluate", "report"]


def test_an_empty_store_reuses_nothing(own: OwnVideos) -> None:
    shutil.rmtree(own.root / ".reeltrace" / "items")
    told = forecast(State(workspace()), film("test")(own, State(workspace())))
    for stage in KEPT:
        shares = next(one.shares for one in told if one.stage == stage)
        assert all(one.low == one.high == one.of for one in shares), stage


def test_dvc_does_what_was_forecast(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.root)
    monkeypatch.delenv("REELTRACE_STORE", raising=False)
    there = impact([], [], ["mine.keep=2"], None)
    assert there.stale == []
    finished.change({"mine.keep": 2})
    assert finished.repro() == _runs(there, "yes") == ["mine", "train", "encode", "report"]

    back = impact([], [], ["mine.keep=3"], None)  # where it was before: DVC has all of it
    finished.change({"mine.keep": 3})
    printed = finished.run(sys.executable, "-m", "dvc", "repro")
    assert re.findall(r"^Stage '(\w+)' is cached", printed, re.M) == _runs(back, "restored")
    assert _runs(back, "restored") == ["mine", "train", "encode", "report"]
    assert _runs(back, "yes") == []


def _runs(answer: Impact, how: str) -> list[str]:
    return [one.stage for one in answer.rerun["changed"] if one.runs == how]


SCORES = st.integers(-20, 20).map(lambda tenths: tenths / 10)
SETTINGS = st.fixed_dictionaries(
    {
        "keep": st.integers(0, 4),
        "relative_margin": st.none() | st.sampled_from([0.0, 0.1, 0.5]),
        "depth": st.integers(1, 9),
    }
)


@given(ranking=st.lists(SCORES, max_size=9), judged=st.sets(st.integers(0, 8), max_size=3), old=SETTINGS, new=SETTINGS)
def test_mining_again_from_what_is_recorded(
    ranking: list[float], judged: set[int], old: dict[str, Any], new: dict[str, Any]
) -> None:
    scored = {f"v{number}": score for number, score in enumerate(sorted(ranking, reverse=True))}
    positives = {f"v{number}" for number in judged}
    of_positives = {one: scored[one] for one in positives if one in scored}

    def mine(settings: dict[str, Any]) -> Any:
        seen = dict(list(scored.items())[: settings["depth"]])
        highest = threshold(of_positives.values(), settings["relative_margin"])
        return mined("q", positives, seen, of_positives, highest, settings["keep"])

    real = mine(new).negatives
    again, whole = mined_again(mine(old), old, new)
    assert again.negatives == (real if whole else real[: len(again.negatives)])
