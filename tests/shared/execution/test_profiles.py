"""Profiles: whole sets of params, written into params.yaml and recognised in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tasks.shared.execution.params import Params, as_read, load_params
from tasks.shared.execution.params_sections import Section
from tasks.shared.execution.profiles import OF_THE_USER, Changed, choose, described, deviations, names, read_profile
from tasks.shared.runtime.errors import UserError
from tests.conftest import REPOSITORY

PROFILES = REPOSITORY / "profiles"
LOCAL = {  # every model of `multivent` in a directory: nothing to pin
    "retriever.model": ".", "transcribe.model": ".", "base.model": ".", "base.processor": ".", "base.adapter": ".",
}  # fmt: skip


@pytest.fixture
def params_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "params.yaml"


def chosen(name: str, params_file: Path, directory: str | None = None, **more: object) -> list[Changed]:
    return choose(name, directory, LOCAL | more, params_file=params_file, folder=PROFILES)


def content(params_file: Path) -> dict[str, dict[str, object]]:
    read: dict[str, dict[str, object]] = yaml.safe_load(params_file.read_text())
    return read


def keys_of(section: type[Section], prefix: str = "") -> set[str]:
    """Dotted keys of all params, down to what is no section."""
    found: set[str] = set()
    for name, field in section.model_fields.items():
        inner = field.annotation
        below = isinstance(inner, type) and issubclass(inner, Section)
        found |= keys_of(inner, f"{prefix}{name}.") if below else {prefix + name}  # type: ignore[arg-type]
    return found


def test_the_default_params_are_the_profile_they_name() -> None:
    params = content(REPOSITORY / "params.yaml")
    assert params["run"]["profile"] == "demo" and deviations(params, PROFILES) == []


def test_every_profile_decides_the_same_params_so_that_each_can_follow_each() -> None:
    found = {name: set(read_profile(name, PROFILES)) - OF_THE_USER for name in names(PROFILES)}
    assert {"demo", "multivent", "multivent-mended"} <= found.keys()
    assert len({frozenset(keys) for keys in found.values()}) == 1
    not_decided = ("run.", "flows.", "evaluate.", "report.")
    of_stages = {key for key in keys_of(Params) if not key.startswith(not_decided)}
    only_tiny = {"base.steps", "base.batch_size", "base.learning_rate", "base.temperature"}
    only_demo = {"corpus.train_events", "corpus.test_events"}
    assert of_stages - only_tiny - only_demo - OF_THE_USER == found["demo"], "a new param is decided by every profile"


def test_the_published_recipe_value_by_value(params_file: Path, tmp_path: Path) -> None:
    """As facts about the reference have it: https://github.com/texttron/tevatron, examples/multivent."""
    chosen("multivent", params_file, str(tmp_path))
    params = load_params(params_file)
    train, lora = params.train, (params.train.lora_r, params.train.lora_alpha, params.train.lora_dropout)
    assert lora == (16, 64, 0.1)
    assert (train.learning_rate, train.warmup_ratio, train.epochs, train.temperature) == (1e-4, 0.005, 4, 0.02)
    assert (train.batch_size, train.accumulation_steps, train.negatives) == (8, 4, 3)
    assert (train.dtype, train.gradient_checkpointing) == ("bfloat16", True)
    assert (params.extract.frames, params.extract.size, params.extract.max_audio_seconds) == (24, 280, 300)
    assert (params.document.max_text_tokens, params.document.cut) == (512, "end")
    assert params.document.train_text == ["caption", "title", "description", "transcript"]
    assert params.document.test_text == ["caption", "transcript"]
    assert (train.max_query_tokens, params.encode.max_query_tokens) == (512, 32)
    assert (params.mine.source, params.mine.depth, params.mine.keep, params.mine.relative_margin) == (
        "dense",
        50,
        3,
        None,
    )
    assert (params.retriever.query_prompt, params.retriever.document_prompt) == ("Query: ", "")
    assert not params.retriever.trust_remote_code, "whoever has read the code says so"
    published = {name: read_profile("multivent", PROFILES)[f"{name}"] for name in LOCAL}
    assert published == {
        "retriever.model": "facebook/drama-1b", "transcribe.model": "Systran/faster-whisper-large-v3",
        "base.model": "Tevatron/Qwen2.5-Omni-7B-Thinker", "base.processor": "Qwen/Qwen2.5-Omni-7B",
        "base.adapter": "Tevatron/OmniEmbed-v0.1",
    }  # fmt: skip


def test_mended_differs_where_it_says_so_and_nowhere_else() -> None:
    faithful, mended = (read_profile(name, PROFILES) for name in ("multivent", "multivent-mended"))
    differing = {key for key in faithful if faithful[key] != mended[key]}
    assert differing == {
        "document.test_text", "document.cut", "train.batch_size", "train.accumulation_steps", "mine.relative_margin",
        "encode.max_query_tokens",
    }  # fmt: skip
    batches = [one["train.batch_size"] * one["train.accumulation_steps"] for one in (faithful, mended)]
    assert batches[0] == batches[1], "as many queries a step of the optimiser"


def test_a_value_has_its_source_beside_it() -> None:
    lines = (PROFILES / "multivent.yaml").read_text().splitlines()
    numbers = [line for line in lines if re.match(r"  \w+: [\d.]+\b", line)]
    unsourced = [line.split(":")[0].strip() for line in numbers if not re.search(r"\[[TQCPD]\]", line)]
    assert set(unsourced) <= {"beam_size", "mini_batch_size", "processes"}, "what decides no published number"


def test_chosen_and_chosen_back_leaves_the_file_as_it_was(params_file: Path, tmp_path: Path) -> None:
    before = params_file.read_text()
    own = before.replace("  workers: 2", "  workers: 5  # mine")
    params_file.write_text(own)
    changed = {one.key: (one.before, one.after) for one in chosen("multivent", params_file, str(tmp_path))}
    assert changed["extract.size"] == (84, 280) and changed["run.profile"] == ("demo", "multivent")
    assert content(params_file)["run"]["workers"] == 5 and "# mine" in params_file.read_text()
    assert chosen("multivent", params_file, str(tmp_path)) == []
    choose("demo", params_file=params_file, folder=PROFILES)
    assert content(params_file) == yaml.safe_load(own)
    assert params_file.read_text().count("#") == own.count("#"), "no comment is lost"


def test_it_is_told_what_left_the_profile(params_file: Path, tmp_path: Path) -> None:
    assert chosen("multivent", params_file, str(tmp_path), **{"train.epochs": 3})
    params = content(params_file)
    assert set(deviations(params, PROFILES)) == {"train.epochs", *LOCAL}
    params["train"]["epochs"] = 4
    assert set(deviations(params, PROFILES)) == set(LOCAL)
    for _ in range(2):  # chosen again, what was chosen beside the profile stays
        chosen("multivent", params_file, str(tmp_path), **{"train.objectives.tuple": 0.5})
        params = content(params_file)
        assert set(deviations(params, PROFILES)) == {"train.objectives.tuple", *LOCAL}
    chosen("multivent", params_file, str(tmp_path))
    params = content(params_file)
    params["encode"]["modalities"] = ["audio", "video", "text"]
    assert set(deviations(params, PROFILES)) == set(LOCAL), "the order of modalities means nothing"
    params["run"]["profile"] = "gone"
    assert deviations(params, PROFILES) == ["run.profile"]
    assert as_read(params)["encode"]["modalities"] == ["text", "video", "audio"]


@pytest.mark.parametrize(
    ("name", "directory", "more", "says"),
    [
        ("multivant", None, {}, r"no profile multivant; there are demo, multivent, multivent-mended in "),
        (
            "multivent",
            None,
            {},
            r"profile multivent needs the corpus's directory: reeltrace profile multivent DIRECTORY",
        ),
        ("multivent", "/nowhere", {}, r"no directory /nowhere; name the one that holds the corpus"),
        ("demo", None, {"train.epochs": 0}, r"profile demo: train.epochs = 0"),
        ("demo", None, {"train.epoch": 1}, r"unknown key train.epoch; did you mean epochs"),
    ],
)
def test_what_cannot_be_chosen_is_one_line_and_changes_nothing(
    name: str, directory: str | None, more: dict[str, object], says: str, params_file: Path
) -> None:
    before = params_file.read_bytes()
    with pytest.raises(UserError, match=says) as caught:
        choose(name, directory, more, params_file=params_file, folder=PROFILES)
    assert "\n" not in str(caught.value)
    assert params_file.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "says"), [("- a", "expected sections"), ("a: [", "is not YAML"), ("a: 1", "expected")]
)
def test_a_file_that_is_no_profile(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        read_profile("odd", tmp_path)
    assert "\n" not in str(caught.value)


def test_every_profile_is_described() -> None:
    for name in names(PROFILES):
        assert re.fullmatch(rf"{name} +\S.{{20,}}", described(name, PROFILES))
