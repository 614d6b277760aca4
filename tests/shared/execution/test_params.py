from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.shared.execution.params import Params, as_read, load_params
from tasks.shared.execution.params_file import overridden
from tasks.shared.runtime.errors import UserError

PARAMS = Path(__file__).resolve().parents[3] / "params.yaml"


def written(tmp_path: Path, dotted: str | None = None, value: Any = None, *, drop: bool = False) -> Path:
    """params.yaml as it is committed, with one key changed, added or dropped."""
    params = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    if dotted:
        *sections, key = dotted.split(".")
        section = params
        for name in sections:
            section = section[name]
        if drop:
            del section[key]
        else:
            section[key] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    return path


def of_stages() -> dict[str, Any]:
    """params.yaml as it is committed, without the section that flows alone obey."""
    params = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    del params["flows"]
    return dict(params)


def complaint(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_params(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_committed_file_is_valid_and_says_every_section_in_order() -> None:
    params = load_params(PARAMS)
    assert list(of_stages()) == list(Params.model_fields)
    assert params.section("train")["lora_r"] == params.train.lora_r
    assert params.section("run.seed") == params.run.seed


def test_a_query_without_any_negative_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "train.negatives", 0)
    path.write_text(path.read_text().replace("  batch_size: 16", "  batch_size: 1"))
    assert "train.negatives = 0: with train.batch_size = 1 no query has a negative" in complaint(path)


@pytest.mark.parametrize("objective", ["symmetric", "tuple", "teacher", "alignment"])
def test_what_needs_two_rows_a_batch_is_refused_with_one(tmp_path: Path, objective: str) -> None:
    path = written(tmp_path, f"train.objectives.{objective}", 1.0)
    load_params(path)
    path.write_text(path.read_text().replace("  batch_size: 16", "  batch_size: 1"))
    assert f": {objective} tells rows of a batch from each other, or swaps modalities" in complaint(path)
    assert "with train.batch_size = 1 there is one; raise it" in complaint(path)


def test_what_fuses_needs_two_modalities(tmp_path: Path) -> None:
    path = written(tmp_path, "train.objectives.teacher", 1.0)
    params = yaml.safe_load(path.read_text())
    params["train"]["modalities"] = ["text"]
    path.write_text(yaml.safe_dump(params))
    assert "teacher needs two of train.modalities; name another, or set it 0" in complaint(path)
    params["train"] |= {"modalities": ["text", "video"], "tuple_negatives": ["audio"]}
    path.write_text(yaml.safe_dump(params))
    load_params(path)
    params["train"]["objectives"]["tuple"] = 1.0
    path.write_text(yaml.safe_dump(params))
    assert "train.tuple_negatives = ['audio']: training documents have none of them" in complaint(path)


def test_negatives_that_nobody_would_be_shown(tmp_path: Path) -> None:
    path = written(tmp_path, "train.objectives", {"query": 0, "symmetric": 0, "tuple": 1, "teacher": 1, "alignment": 1})
    assert "train.negatives are shown for the objective query alone, whose weight is 0; set them 0" in complaint(path)
    path.write_text(path.read_text().replace("  negatives: 3", "  negatives: 0"))
    assert load_params(path).train.objectives.of_views == ["tuple", "teacher", "alignment"]


@pytest.mark.parametrize(
    ("dotted", "value", "words"),
    [
        ("train.learning_rat", 1.0, ["unknown key train.learning_rat", "did you mean learning_rate?"]),
        ("trian", {}, ["unknown key trian", "did you mean train?"]),
        ("flow", {}, ["unknown key flow", "did you mean flows?"]),
        ("train.zzz", 1, ["unknown key train.zzz", "remove it"]),
        ("train.epochs", "4", ["train.epochs = '4'", "valid integer"]),
        ("train.epochs", 4.5, ["train.epochs = 4.5", "valid integer"]),
        ("train.epochs", True, ["train.epochs = True", "valid integer"]),
        ("train.epochs", 0, ["train.epochs = 0", "greater than or equal to 1"]),
        ("train.accumulation_steps", 0, ["train.accumulation_steps = 0", "greater than or equal to 1"]),
        ("train.dtype", "float16", ["train.dtype = 'float16'", "'float32' or 'bfloat16'"]),
        ("train.gradient_checkpointing", "yes", ["train.gradient_checkpointing = 'yes'", "valid boolean"]),
        ("train.processes", 0, ["train.processes = 0", "greater than or equal to 1"]),
        ("train.processes", 17, ["train.processes = 17: with train.batch_size = 16 there are ranks without a query"]),
        ("train.objectives.tupel", 1.0, ["unknown key train.objectives.tupel", "did you mean tuple?"]),
        ("train.objectives.query", 0.0, ["train.objectives = {", "all weights are 0, and nothing is learnt"]),
        ("train.objectives.teacher", -1.0, ["train.objectives.teacher = -1.0", "greater than or equal to 0"]),
        ("train.tuple_negatives", [], ["train.tuple_negatives = []", "at least 1 item"]),
        ("train.view", 0.0, ["train.view = 0.0", "greater than 0"]),
        ("train.modality_dropout.audio", 1.1, ["train.modality_dropout.audio = 1.1", "less than or equal to 1"]),
        ("train.temperatures.text", 0.0, ["train.temperatures.text = 0.0", "greater than 0"]),
        ("train.hardness", -0.1, ["train.hardness = -0.1", "greater than or equal to 0"]),
        ("train.learning_rate", "1e-4", ["train.learning_rate = '1e-4'", "1.0e-4"]),
        ("train.learning_rate", float("nan"), ["train.learning_rate = nan"]),
        ("train.learning_rate", float("inf"), ["train.learning_rate = inf"]),
        ("retriever.model", None, ["retriever.model = None", "valid string"]),
        ("retriever.trust_remote_code", "yes", ["retriever.trust_remote_code = 'yes'", "valid boolean"]),
        ("corpus.source", "dmeo", ["corpus.source = 'dmeo'", "'demo', 'folder', 'multivent' or 'omniretriever'"]),
        ("document.modalities", ["text"], ["unknown key document.modalities", "remove it"]),
        ("train.modalities", "text", ["train.modalities = 'text'", "valid list"]),
        ("encode.modalities", [], ["encode.modalities = []", "at least 1 item"]),
        ("encode.modalities", ["text", "picture"], ["encode.modalities.1 = 'picture'", "'text', 'video' or 'audio'"]),
        ("train.modalities", ["audio", "text", "audio"], ["train.modalities = ['audio', 'text', 'audio']: audio is"]),
        ("document.test_text", ["caption", "titel"], ["document.test_text.1 = 'titel'"]),
        ("extract.size", 100, ["extract.size = 100", "multiple of 28"]),
        ("run", None, ["run = None"]),
        ("run", 3, ["run = 3"]),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_key(
    tmp_path: Path, dotted: str, value: Any, words: list[str]
) -> None:
    message = complaint(written(tmp_path, dotted, value))
    for word in words:
        assert word in message


def test_every_key_is_required(tmp_path: Path) -> None:
    for section, keys in of_stages().items():
        assert f"{section} is missing" in complaint(written(tmp_path, section, drop=True))
        for key in keys:
            assert f"{section}.{key} is missing" in complaint(written(tmp_path, f"{section}.{key}", drop=True))


@pytest.mark.parametrize("key", ["train.modalities", "encode.modalities"])
def test_the_order_of_modalities_means_nothing(tmp_path: Path, key: str) -> None:
    for size in (1, 2, 3):
        for chosen in permutations(("text", "video", "audio"), size):
            in_order = [one for one in ("text", "video", "audio") if one in chosen]
            assert load_params(written(tmp_path, key, list(chosen))).section(key) == in_order
            assert as_read(list(chosen), key) == in_order


def test_what_is_written_is_read_as_stages_record_it() -> None:
    raw = of_stages()
    assert as_read(raw) == load_params(PARAMS).model_dump(mode="json")
    raw["encode"]["modalities"].reverse()
    assert as_read(raw) == load_params(PARAMS).model_dump(mode="json")
    assert as_read({"run.seed": 7, "train": {"modalities": ["audio", "text"]}})["train"]["modalities"][0] == "text"
    for odd in (["audio", "picture", "text"], [["text"], "audio"], "text", None):  # what no stage would read
        assert as_read({"train": {"modalities": odd}}) == {"train": {"modalities": odd}}
    raw["document"]["test_text"].reverse()  # the order of the fields is that of the words
    assert as_read(raw) != load_params(PARAMS).model_dump(mode="json")


def test_a_whole_number_will_do_for_a_real_one(tmp_path: Path) -> None:
    assert load_params(written(tmp_path, "train.temperature", 1)).train.temperature == 1.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected sections"),
        (b"- a\n- b\n", "expected sections"),
        (b"run: [1, 2\n", "not YAML"),
        (b"run: {seed: 1}\nrun\n", "not YAML"),
        (b"run: \xff\n", "not UTF-8"),
    ],
)
def test_a_file_that_holds_no_sections(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    assert words in complaint(path)


def test_no_file(tmp_path: Path) -> None:
    assert "is missing" in complaint(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (["rrf"], "evaluate.fusion = ['rrf']: joint is what the others are compared with; name it too"),
        (["joint", "rrf", "rrf"], "rrf is there more than once; name it once"),
        (["joint", "best"], "evaluate.fusion.1 = 'best'"),
    ],
)
def test_fusion_is_of_known_methods_once_each_beside_joint(tmp_path: Path, methods: list[str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        load_params(written(tmp_path, "evaluate.fusion", methods))
    assert load_params(written(tmp_path, "evaluate.fusion", ["rrf", "joint"])).evaluate.fusion == ["rrf", "joint"]


def test_a_key_below_one_that_has_a_value_is_refused() -> None:
    with pytest.raises(UserError, match=r"^train.epochs.first: epochs is 2, and has no keys below it; give one of"):
        overridden({"train": {"epochs": 2}}, {"train.epochs.first": 1})
