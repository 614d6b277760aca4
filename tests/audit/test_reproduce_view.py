"""The verdict as people read it, and the exit code that goes with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.audit.reproduce.amounts import Amount
from tasks.audit.reproduce.compare import Comparison, ScoreResult, Verdict
from tasks.audit.reproduce.reproduce import EXIT, Reproduction, outcome
from tasks.audit.reproduce.view import headline, show_answer
from tasks.lineage.score import Score
from tests.audit.states import state

SAME = ScoreResult(identical=True)
OTHER = ScoreResult(identical=False)


def stage(name: str, verdict: Verdict) -> Comparison:
    return Comparison(name, verdict, "ab" * 32, "cd" * 32 if verdict != "not made" else None, files=2)


@pytest.mark.parametrize(
    ("code", "verdicts", "score", "expected"),
    [
        (0, ["identical bytes", "identical bytes"], SAME, "identical bytes"),
        (0, ["taken as recorded", "identical bytes"], SAME, "identical bytes"),
        (0, ["identical bytes"], None, "identical bytes"),
        (0, ["differs", "identical bytes"], SAME, "identical score"),
        (0, ["same outputs, another manifest", "same outputs, another manifest"], SAME, "identical score"),
        (0, ["differs", "differs"], OTHER, "differs"),
        (0, ["differs"], None, "differs"),
        (0, ["differs"], ScoreResult(None, reason="no numbers"), "differs"),
        (0, ["identical bytes", "not made"], None, "did not run through"),
        (1, ["identical bytes", "identical bytes"], SAME, "did not run through"),
    ],
)
def test_the_verdict(code: int, verdicts: list[Verdict], score: ScoreResult | None, expected: str) -> None:
    assert outcome(code, [stage(f"s{n}", one) for n, one in enumerate(verdicts)], score) == expected


def test_exit_codes() -> None:
    assert EXIT == {"identical bytes": 0, "identical score": 0, "differs": 1, "did not run through": 2}


def answer() -> Reproduction:
    """One in which a query with control characters in its id moved."""
    differing = {
        "path": "results/encode/vectors/tuned.videos.parquet",
        "recorded": "ab" * 32,
        "made": "cd" * 32,
        "amount": Amount("vectors", 3, 9, 1e-7, 0.5, "v\x1b[1m"),
        "reason": None,
    }
    mean = {"system": "tuned", "measure": "nDCG@10", "recorded": 0.5, "made": 0.25}
    moved = {"system": "tuned", "query": "q\x1b[31mred[bold]", "recorded": 1.0, "made": None, "by": 1.0}
    asked = {"what": "nDCG@10 of tuned", "recorded": 0.5, "made": 0.25}
    return Reproduction(
        request=Score(state(Path("somewhere"))),
        executions={},
        runs={},
        again=["mine", "encode", "evaluate"],
        before=[],
        worktree_params={},
        outcome="differs",
        state="workspace",
        commit="12" * 20,
        why="HEAD",
        params={"run.seed": 7},
        params_sha256="ef" * 32,
        params_changed={"mine.keep": [3, 5]},
        stages=[stage("mine", "identical bytes"), replace(stage("encode", "differs"), differing=[differing])],
        score=ScoreResult(False, asked, [mean], 8, [moved]),
        environment=[{"what": "torch", "recorded": "1.0", "here": None, "stages": ["encode"]}],
        external=4,
        linked=["data/videos"],
        notes=["a note"],
        seconds=61.4,
        worktree="/somewhere/else",
        removal="git worktree remove ...",
    )


def test_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(answer())
    shown = capsys.readouterr().out
    for text in (
        "12" * 20,
        "3 of 9 vectors; by up to 1e-07; lowest cosine 0.500000000",
        "1 of 8 differ, by up to 1.0000, on average 0.1250",
        "param mine.keep is 5 as recorded; the commit has 3",
        "torch was 1.0 for encode, here it is not installed",
        "4 files from outside",
        "data/videos",
        "/somewhere/else",
        "q\\x1b[31mred[bold]",
        "differs: first in encode; nDCG@10 of tuned 0.5000 recorded, 0.2500 here (61 s)",
    ):
        assert text in shown
    assert "\x1b" not in shown


def test_headlines() -> None:
    one = replace(answer(), outcome="identical score")
    assert headline(one) == "identical score (bytes differ in encode)"
    one = replace(one, outcome="identical bytes", stages=[stage("mine", "identical bytes")])
    assert headline(one) == "identical bytes: 2 files and the manifests of 1 stages"
    one = replace(one, outcome="did not run through", stages=[stage("mine", "not made")])
    assert headline(one) == "did not run through: mine failed, see above"
