"""A retriever from a hub, by the hub's own client in a process: pinned, refused, and not to be had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Workspace
from tests.mine.small_corpus import publish, query, video
from tests.shared.retrieval.drama import CLASS, MARK, by_hand, make
from tests.shared.retrieval.local_hub import AWAY, COMMIT, FORBIDDEN, GATED, local_hub
from tests.shared.runtime.test_hub_errors import IMPATIENT, environment

NAME = "owner/drama"
PROGRAM = """
import json, sys
from tasks.shared.runtime.errors import UserError
from tasks.shared.execution.params_sections import Retriever
from tasks.shared.retrieval.dense import DenseRetriever
from tasks.shared.runtime.hub import licence_of
for params in json.loads(sys.argv[1]):
    try:
        found = DenseRetriever(Retriever.model_validate(params), 2, lambda: None)
        vectors = found.queries({"q": "rain over the town"}).values
        print(json.dumps([vectors[0].tolist(), found.identity(), licence_of(found.model)]))
    except UserError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def params(**other: object) -> dict[str, object]:
    stock = {"model": NAME, "revision": COMMIT, "query_prompt": "Query: ", "document_prompt": "", "dimensions": None}
    return {**stock, "trust_remote_code": True, "dtype": "float32", **other}


def outcomes(endpoint: str, home: Path, *chosen: dict[str, object]) -> list[list[object]]:
    """What comes of each of some params, one after the other in one process."""
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT + PROGRAM, json.dumps(chosen)], cwd=home, check=False,
        env=environment(endpoint, home, **{MARK: str(home / "mark")}), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_pinned_is_what_runs(tmp_path: Path) -> None:
    drama = make(tmp_path / "drama")
    foreign = make(tmp_path / "foreign", auto_map=f"owner/drama--{CLASS}")
    own = make(tmp_path / "own", auto_map=f"owner/own--{CLASS}")
    with local_hub({NAME: drama, "owner/foreign": foreign, "owner/own": own}) as (endpoint, asked):
        home = tmp_path / "home"
        home.mkdir()
        (refused,), before = outcomes(endpoint, home, params(trust_remote_code=False)), list(asked)
        assert refused == [
            "UserError",
            f"retriever.model: {NAME} comes with code of its own ({CLASS} in config.json), without which it is another "
            "model; to run it set retriever.trust_remote_code to true and, in retriever.revision, name the 40 digits "
            "of the commit you have read",
        ]
        assert not (home / "mark").exists()
        assert {path for _, _, path in before}.isdisjoint({"modeling_tiny.py", "model.safetensors"})

        (_, moving), (_, elsewhere), loaded, (__, ___, ____) = outcomes(
            endpoint, home, params(revision="main"), params(model="owner/foreign"), params(), params(model="owner/own")
        )
        assert str(moving).endswith("in retriever.revision, name the 40 digits of the commit you have read")
        assert "config.json of owner/foreign takes code from owner/drama, which nothing pins" in str(elsewhere)
        assert (home / "mark").exists()
        assert np.array(loaded[0]) == pytest.approx(by_hand(drama, "Query: rain over the town"), abs=1e-5)
        assert loaded[1:] == [{"model": NAME, "revision": COMMIT, "digest": f"{NAME}@{COMMIT}"}, "cc-by-nc-4.0"]
    revisions = {path: revision for name, revision, path in asked if name == NAME and path != "config.json"}
    assert revisions["modeling_tiny.py"] == revisions["model.safetensors"] == COMMIT


def test_what_cannot_be_had_is_one_line_each(tmp_path: Path) -> None:
    missing = "f" * 40
    with local_hub({NAME: make(tmp_path / "drama")}) as (endpoint, asked):
        found = outcomes(
            endpoint, tmp_path, params(revision=missing), params(model=GATED), params(model=FORBIDDEN),
            params(model="owner/none"), params(model=AWAY),
        )  # fmt: skip
    gated = "is gated: ask for access on its page at the hub, and log in with `hf auth login`"
    assert found[:4] == [
        ["UserError", f"model {NAME} has no revision {missing}; name one of its commits"],
        ["UserError", f"model {GATED} {gated}"],
        ["UserError", f"model {FORBIDDEN} {gated}"],
        ["UserError", "no model owner/none on the hub, or only after a login; mend its name or log in"],
    ]
    assert found[4][0] == "TransientError" and str(found[4][1]).startswith(f"model {AWAY} ")
    assert not asked, "nothing was downloaded"


def test_the_stage_says_so_before_any_text_is_encoded(workspace: Workspace, tmp_path: Path) -> None:
    publish([video("a", "train")], [query("q", "words", "train")], {"train": [("q", "a", 1)]}, {"a": "words"})
    workspace.set_params({"retriever.model": GATED, "retriever.revision": COMMIT})
    with local_hub({}) as (endpoint, _):
        done = subprocess.run(
            [sys.executable, "-m", "tasks.mine"],
            env=environment(endpoint, tmp_path / "home"), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"mine: model {GATED} is gated: ask for access")
    assert not Path("results/mine").exists()
