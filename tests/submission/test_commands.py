"""`reeltrace submission` and `reeltrace score`, as programs over published rankings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from tasks.cli import main
from tasks.shared.artifacts.corpus import Judgment, read_qrels
from tasks.shared.artifacts.runs import write_run
from tasks.shared.artifacts.scores import MEASURES
from tasks.shared.artifacts.types import Run
from tasks.submission.layouts import read_layout, write_layout
from tasks.submission.score import score
from tests.conftest import Workspace
from tests.evaluate.test_measures import TREC_NAMES, ranking
from tests.mine.small_corpus import publish, query, video

VIDEOS = [f"v{number:03d}" for number in range(40)]
QUERIES = [f"internvid_korean_{number}_ocr_0" for number in range(12)]
QRELS = Path("results/corpus/qrels.test.trec")


@pytest.fixture
def ranked(workspace: Workspace) -> Run:
    """Rankings of every query by `tuned`, with many ties; the last query is judged, and nothing is relevant to it."""
    rng = np.random.default_rng(3)
    judgments = [Judgment(one, str(rng.choice(VIDEOS)), 1 + number % 3) for number, one in enumerate(QUERIES[:-1])]
    judgments += [Judgment(QUERIES[0], "v001", 2), Judgment(QUERIES[-1], "v002", 0)]
    judged = {(one.query_id, one.video_id): one.relevance for one in judgments}
    publish(
        [video(one, "test") for one in VIDEOS],
        [query(one, "words", "test") for one in QUERIES],
        {"test": [(*pair, relevance) for pair, relevance in judged.items()]},
        {},
    )
    run = {one: ranking({name: float(rng.integers(9)) / 8 for name in VIDEOS}) for one in QUERIES}
    write_run(Path("results/evaluate"), "tuned", run)
    return run


def by_trec_eval(run: Run) -> dict[str, float]:
    qrels = {query_id: of for query_id, of in read_qrels(QRELS).items() if any(of.values())}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, set(TREC_NAMES.values()) | {"ndcg_cut", "recall"})
    values = evaluator.evaluate(run)
    return {
        name: sum(values.get(one, {}).get(trec_name, 0.0) for one in qrels) / len(qrels)
        for name, trec_name in TREC_NAMES.items()
    }


@pytest.mark.parametrize("layout", ["2025", "2026"])
def test_a_submission_scores_what_trec_eval_says_of_the_run(workspace: Workspace, ranked: Run, layout: str) -> None:
    done = workspace.program("tasks.cli", "submission", "--layout", layout, "out.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "out.json: tuned, 12 test queries, at most 40 videos each\n"
    assert read_layout(Path("out.json")) == ranked
    assert score(Path("out.json")).means == pytest.approx(by_trec_eval(ranked), abs=1e-9)
    done = workspace.program("tasks.cli", "score", "out.json")
    told = dict(line.split() for line in done.stdout.splitlines()[2:])
    assert done.stdout.startswith(
        "11 of 11 judged queries are ranked; 1 others have no relevant video and count for nothing\n"
    )
    assert {name: float(value) for name, value in told.items()} == pytest.approx(by_trec_eval(ranked), abs=6e-6)
    assert set(told) == set(MEASURES)


def test_a_cut_submission_has_the_best(workspace: Workspace, ranked: Run) -> None:
    done = workspace.program("tasks.cli", "submission", "--layout", "2026", "--depth", "7", "out.json")
    assert done.returncode == 0
    assert read_layout(Path("out.json")) == {one: dict(list(of.items())[:7]) for one, of in ranked.items()}


def test_a_published_number_is_compared_at_its_digits(workspace: Workspace, ranked: Run) -> None:
    exact = by_trec_eval(ranked)
    for measure, digits in (("nDCG@10", 5), ("nDCG@10", 3), ("R@10", 4)):
        published = f"{exact[measure]:.{digits}f}"
        run = ("tasks.cli", "score", "results/evaluate/runs/tuned.trec", "--expect", published, "--measure", measure)
        done = workspace.program(*run)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{measure} is {published}, as expected")
    other = f"{exact['nDCG@10'] + 1e-5:.5f}"
    done = workspace.program("tasks.cli", "score", "results/evaluate/runs/tuned.trec", "--expect", other)
    assert done.returncode == 1
    assert done.stderr == f"nDCG@10 is {exact['nDCG@10']:.5f}, not {other} as expected\n"


def test_multivents_own_judgments_and_missing_queries(workspace: Workspace, ranked: Run) -> None:
    rows = [
        {"query_id": one, "doc_id": name, "relevance": value, "video_language": "korean"}
        for one, of in read_qrels(QRELS).items()
        for name, value in of.items()
    ]
    Path("judgments.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    part = {one: ranked[one] for one in QUERIES[:6]}
    write_layout(Path("part.json"), part, "2025")
    scored = score(Path("part.json"), Path("judgments.jsonl"))
    assert (scored.queries, scored.ranked, scored.unjudged) == (11, 6, 0)
    assert scored.means == pytest.approx(by_trec_eval(part), abs=1e-9)


def nothing() -> None:
    """Spoil nothing."""


@pytest.mark.parametrize(
    ("spoil", "command", "says"),
    [
        (nothing, ("submission", "--layout", "2025", "--system", "best", "o"), "--system best: known"),
        (
            nothing,
            ("submission", "--layout", "2025", "--system", "base", "o"),
            "runs/base.trec is missing",
        ),
        (
            lambda: _rewrite(lambda run: {one: of for one, of in run.items() if one != QUERIES[3]}),
            ("submission", "--layout", "2025", "o"),
            f"tuned ranks nothing for 1 of 12 test queries, the first is {QUERIES[3]};",
        ),
        (
            lambda: _rewrite(lambda run: run | {"other": {"v001": 1.0}}),
            ("submission", "--layout", "2025", "o"),
            "tuned ranks for other, which is no test query",
        ),
        (
            lambda: _rewrite(lambda run: run | {QUERIES[0]: {"gone": 1.0}}),
            ("submission", "--layout", "2025", "o"),
            f"tuned ranks gone for {QUERIES[0]}, which is no test video",
        ),
        (nothing, ("score", "none.json"), "score: none.json cannot be read"),
        (nothing, ("score", "results/evaluate/runs/tuned.trec", "--qrels", "x"), "score: x cannot be read"),
        (
            nothing,
            ("score", "results/evaluate/runs/tuned.trec", "--expect", "most"),
            "most: not a number",
        ),
        (
            nothing,
            ("score", "results/evaluate/runs/tuned.trec", "--expect", "1", "--measure", "P@5"),
            "--measure P@5: known are nDCG@10",
        ),
        (
            lambda: Path("o").write_text('{"q": {"v": 1}}'),
            ("score", "o"),
            "o and results/corpus/qrels.test.trec have no query in common",
        ),
        (
            lambda: QRELS.write_text("q 0 v 0\n"),
            ("score", "results/evaluate/runs/tuned.trec"),
            "judges no video relevant",
        ),
    ],
)
def test_one_clear_line_each(
    ranked: Run,
    spoil: Callable[[], object],
    command: tuple[str, ...],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil()
    with pytest.raises(SystemExit) as ended:
        main(command)
    told = capsys.readouterr().err
    assert (ended.value.code, len(told.splitlines())) == (2, 1)
    assert told.startswith(f"{command[0]}: ") and says in told


def _rewrite(change: Callable[[Run], Run]) -> None:
    run = read_layout(Path("results/evaluate/runs/tuned.trec"))
    write_run(Path("results/evaluate"), "tuned", change(run))
