"""The profile `multivent` from end to end: a hub, a corpus and models as they are published, in small.

MultiVENT 2.0 is imitated with real video files, the hub by a server here that the hub's own client asks, and the
models by random ones of the same architecture, layout and vocabulary. What is asked for in tiny: weights, and how many
videos, queries and epochs there are; all else is the profile's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from tests import warm
from tests.called import called
from tests.corpus.imitation import write_imitation
from tests.omni.published import whole_thinker, write_processor, write_thinker
from tests.project import GIT, STAGES, copy_database, sources
from tests.shared.retrieval.drama import MARK, make
from tests.shared.retrieval.local_hub import COMMIT, GATED, local_hub
from tests.shared.runtime.test_hub_errors import environment

ROOT = Path(__file__).resolve().parents[1]
THINKER, PROCESSOR = "Tevatron/Qwen2.5-Omni-7B-Thinker", "Qwen/Qwen2.5-Omni-7B"
ADAPTER, DRAMA = "Tevatron/OmniEmbed-v0.1", "facebook/drama-1b"
# of the profile: its own pins are of the real hub, CPUs are slow in bfloat16, and other tests are of several processes
TINY = {
    "base.processor_revision": COMMIT, "base.adapter_revision": COMMIT, "train.processes": 1, "encode.processes": 1,
    "train.epochs": 1, "train.save_steps": 2, "train.dtype": "float32", "evaluate.bootstrap": 100,
    "evaluate.permutations": 100, "report.sample_queries": 2, "run.max_failed_fraction": 0.2,
    "run.threads": 1,
}  # fmt: skip
# one program for all choices, whose imports take longer than any of the answers
EACH_READY = """
import json, sys
from tasks.cli import main
for choice in json.loads(sys.argv[1]):
    main(choice)
    try:
        main(["ready"])
        code = 0
    except SystemExit as ended:
        code = ended.code
    print("READY", code, file=sys.stderr, flush=True)
"""


@dataclass(frozen=True)
class Place:
    """A project beside a corpus, and the hub that it knows."""

    root: Path
    corpus: Path
    hub: str
    repositories: dict[str, Path]

    @property
    def python(self) -> str:
        """The Python that starts at once, in this environment."""
        return str(self.root.parent / "warm" / "python")

    @property
    def environment(self) -> dict[str, str]:
        """Of a user of this hub."""
        programs = [str(Path(one).parent) for one in (self.python, sys.executable)]
        return environment(self.hub, self.root.parent / "hf") | {
            "PATH": os.pathsep.join([*programs, os.environ["PATH"]]), "PYTHONPATH": str(self.root),
            "REELTRACE_STORE": str(self.root / "store"), "MLFLOW_TRACKING_URI": f"sqlite:///{self.root / 'mlflow.db'}",
            "COLUMNS": "200", MARK: str(self.root.parent / "mark"),
        }  # fmt: skip

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program."""
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False
        )  # fmt: skip

    def local(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`reeltrace ...` where it needs no hub: in this process, which knows another one."""
        return called(arguments, self.root, self.environment)

    def reeltrace(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `reeltrace ...`."""
        return self.run(self.python, "-m", "tasks.cli", *arguments)

    def done(self, *command: str) -> str:
        """What a program printed that must succeed."""
        done = self.run(*command)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def profile(self, name: str, changes: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
        """Choose a profile with other values."""
        return self.reeltrace(*self.choice(name, changes))

    def choice(self, name: str, changes: Mapping[str, object]) -> list[str]:
        """The arguments of that."""
        told = [f"--set={key}={json.dumps(value)}" for key, value in changes.items()]
        return ["profile", name, str(self.corpus), *told]


def old_adapter(folder: Path, thinker: Path) -> Path:
    """A trained adapter with the names of before transformers 5, idle weights of a tower among them."""
    config = json.loads((thinker / "config.json").read_text())["text_config"]
    width, mlp = config["hidden_size"], config["intermediate_size"]
    keys = width // config["num_attention_heads"] * config["num_key_value_heads"]
    outputs = {"q_proj": width, "k_proj": keys, "v_proj": keys, "o_proj": width}
    shapes = {f"self_attn.{name}": (width, size) for name, size in outputs.items()}
    shapes |= {"mlp.gate_proj": (width, mlp), "mlp.up_proj": (width, mlp), "mlp.down_proj": (mlp, width)}
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for layer in range(config["num_hidden_layers"]):
        for name, (inputs, size) in shapes.items():
            path = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{path}.lora_A.weight"] = 0.02 * torch.randn(16, inputs, generator=generator)
            tensors[f"{path}.lora_B.weight"] = 0.02 * torch.randn(size, 16, generator=generator)
    idle = "base_model.model.audio_tower.layers.0.self_attn.q_proj"
    tensors |= {f"{idle}.lora_A.weight": torch.ones(16, 32), f"{idle}.lora_B.weight": torch.zeros(32, 16)}
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    names = [name.split(".")[1] for name in shapes]
    told = {"peft_type": "LORA", "r": 16, "lora_alpha": 64, "lora_dropout": 0.1, "bias": "none", "revision": None}
    told |= {"target_modules": names, "base_model_name_or_path": THINKER, "task_type": None}
    (folder / "adapter_config.json").write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[Place]:
    top = tmp_path_factory.mktemp("multivent")
    thinker = write_thinker(top / "thinker", whole_thinker())
    repositories = {
        THINKER: thinker,
        PROCESSOR: write_processor(top / "processor"),
        ADAPTER: old_adapter(top / "adapter", thinker),
        DRAMA: make(top / "drama"),
    }
    write_imitation(top / "MultiVENT", train_events=2, test_events=2)
    root = top / "project"
    for path in sources():
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    copy_database(mlflow_database, root / "mlflow.db", root)
    with local_hub(repositories) as (hub, _):
        place = Place(root, top / "MultiVENT", hub, repositories)
        with warm.started(Path(place.python).parent, place.environment):
            yield place


@pytest.fixture(scope="module")
def chosen(place: Place) -> str:
    """What choosing the profile says."""
    done = place.profile("multivent", TINY)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def finished(place: Place, chosen: str) -> Place:
    """After `dvc repro`, the code that comes with DRAMA read and allowed."""
    params = place.root / "params.yaml"
    params.write_text(params.read_text().replace("trust_remote_code: false", "trust_remote_code: true"))
    place.done("git", "init", "--quiet")
    place.done(*GIT, "add", "--all")
    place.done(*GIT, "commit", "--quiet", "--message", "multivent")
    told = place.done(place.python, "-m", "dvc", "repro")
    assert sorted(re.findall(r"^Running stage '(\w+)'", told, re.M)) == sorted(STAGES)
    return place


def test_choosing_it_pins_what_it_names(place: Place, chosen: str) -> None:
    assert f'base.revision: null -> "{COMMIT}"' in chosen and f'retriever.revision: null -> "{COMMIT}"' in chosen
    params = yaml.safe_load((place.root / "params.yaml").read_text())
    assert (params["run"]["profile"], params["corpus"]["source"]) == ("multivent", "multivent")
    assert (params["base"]["model"], params["base"]["revision"]) == (THINKER, COMMIT)
    assert params["extract"]["size"] == 280 and params["train"]["lora_dropout"] == 0.1


def test_code_that_nobody_allowed_is_told_of_before_any_work(place: Place, chosen: str) -> None:
    told = place.reeltrace("ready")
    assert told.returncode == 2 and not (place.root / "results").exists()
    lines = told.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "no", "ok", "ok"] and DRAMA in lines[1]
    assert told.stderr.count("\n") == 1 and "trust_remote_code" in told.stderr
    assert not (place.root.parent / "mark").exists(), "none of it ran"


def test_what_cannot_be_had_is_a_line_each_before_any_work(place: Place, chosen: str, tmp_path: Path) -> None:
    good = place.repositories[ADAPTER]
    tensors = load_file(good / "adapter_model.safetensors")
    broken, zero = tmp_path / "broken", tmp_path / "zero"
    last = "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"
    for folder, other in (
        (broken, {name: value for name, value in tensors.items() if name != last}),
        (zero, {**tensors, last: torch.zeros_like(tensors[last])}),
    ):
        shutil.copytree(good, folder)
        save_file(other, folder / "adapter_model.safetensors")
    down = r"language_model\.layers\.1\.mlp\.down_proj\.lora_B"
    cases = [
        ({"base.adapter": str(broken)}, rf"has no weights for {down}"),
        ({"base.adapter": str(zero)}, rf"lora_B is zero in {down}"),
        ({"base.adapter": str(place.repositories[PROCESSOR])}, r"has no adapter_config\.json with"),
        ({"base.revision": "f" * 40}, rf"{THINKER} has no revision f{{40}}"),
        ({"base.model": GATED, "base.revision": COMMIT}, rf"{GATED}.*login"),
        ({"base.model": PROCESSOR, "base.revision": COMMIT}, r"has no config\.json"),
        ({"base.processor": THINKER}, r"has no tokenizer; name the repository"),
    ]
    before = (place.root / "params.yaml").read_text()
    try:
        asked = [place.choice("multivent", TINY | changes) for changes, _ in cases]
        told = place.run(place.python, "-c", EACH_READY, json.dumps(asked))
    finally:
        (place.root / "params.yaml").write_text(before)
    assert told.returncode == 0 and not (place.root / "results").exists(), told.stderr
    answers = told.stderr.split("READY 2\n")
    assert len(answers) == len(cases) + 1 and answers[-1] == ""
    for (_, says), answer in zip(cases, answers, strict=False):
        lines = answer.splitlines()
        assert len(lines) == 2, answer
        assert re.search(says, lines[1]), (says, lines)


def test_a_hub_out_of_reach_is_a_line(place: Place, chosen: str) -> None:
    nobody = Place(place.root, place.corpus, "http://127.0.0.1:9", place.repositories)
    before = (place.root / "params.yaml").read_text()
    (place.root / "params.yaml").write_text(before.replace(COMMIT, "a" * 40))
    try:
        told = nobody.run(
            sys.executable, "-c",
            "import huggingface_hub.file_download as d, time; d._ETAG_RETRY_TIMEOUT = 1; time.sleep = lambda _: None;"
            "from tasks.cli import main; main(['ready'])",
        )  # fmt: skip
    finally:
        (place.root / "params.yaml").write_text(before)
    assert told.returncode == 75 and "Traceback" not in told.stderr
    lines = told.stderr.splitlines()
    assert lines and all("try again later" in line for line in lines), lines


def test_it_runs_to_a_score_and_every_part_is_as_published(finished: Place) -> None:
    results = finished.root / "results"
    mined = json.loads((results / "mine/retriever.json").read_text())
    assert (mined["model"], mined["revision"], mined["licence"]) == (DRAMA, COMMIT, mined["licence"])
    base = json.loads((results / "base/model.json").read_text())
    assert (base["model"], base["processor"], base["adapter"]) == (THINKER, PROCESSOR, ADAPTER)
    adapter = json.loads((results / "train/adapter/adapter_config.json").read_text())
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == (THINKER, COMMIT)
    assert (adapter["r"], adapter["lora_alpha"], adapter["lora_dropout"]) == (16, 64, 0.1)
    weights = load_file(results / "train/adapter/adapter_model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}
    start = load_file(finished.repositories[ADAPTER] / "adapter_model.safetensors")
    name = "base_model.model.{}layers.0.mlp.up_proj.lora_B.weight"
    moved = (weights[name.format("language_model.")] - start[name.format("model.")]).abs()
    assert 0 < moved.mean() < start[name.format("model.")].abs().mean(), "training went on from the published adapter"

    documents = pq.read_table(results / "encode/documents.parquet").to_pylist()
    assert documents and {one["frames"] for one in documents if "video" in one["modalities"]} == {24}
    videos = {one["video_id"]: one for one in pq.read_table(results / "corpus/manifest.parquet").to_pylist()}
    said = {one["video_id"]: one for one in pq.read_table(results / "transcribe/transcripts.parquet").to_pylist()}
    for one in documents:
        parts = [videos[one["video_id"]]["caption"], (said.get(one["video_id"]) or {}).get("text")]
        assert (one["text"] or "") == "\t".join(" ".join(part.split()) for part in parts if part)
    manifests = {stage: json.loads((results / stage / "manifest.json").read_text()) for stage in STAGES}
    assert manifests["corpus"]["params"]["run.profile"] == "multivent"
    assert manifests["encode"]["params"]["encode.max_query_tokens"] == 32
    tokens = pq.read_table(results / "encode/vectors/tuned.videos.parquet").num_rows
    assert tokens == len(documents)


def test_dvc_and_mlflow_record_the_profile(finished: Place) -> None:
    from mlflow import MlflowClient

    lock = yaml.safe_load((finished.root / "dvc.lock").read_text())
    assert lock["stages"]["corpus"]["params"]["params.yaml"]["run.profile"] == "multivent"
    client = MlflowClient(f"sqlite:///{finished.root / 'mlflow.db'}")
    (experiment,) = [one for one in client.search_experiments() if one.name == "reeltrace"]
    told = {run.data.tags["reeltrace.profile"] for run in client.search_runs([experiment.experiment_id])}
    assert told == {"multivent, but train.epochs, train.processes, train.dtype, train.save_steps, encode.processes"}


@pytest.mark.parametrize("layout", ["2025", "2026"])
def test_its_submission_scores_what_the_stage_scored(layout: str, finished: Place, tmp_path: Path) -> None:
    file = tmp_path / "submission.json"
    assert finished.local("submission", "--layout", layout, str(file)).returncode == 0
    queries = pq.read_table(finished.root / "results/corpus/queries.parquet").to_pylist()
    assert json.loads(file.read_text()).keys() == {one["query_id"] for one in queries if one["split"] == "test"}
    score = json.loads((finished.root / "results/evaluate/metrics.json").read_text())["systems"]["tuned"]["nDCG@10"]
    judged = finished.corpus / "multivent_2_test_judgments.jsonl"
    told = finished.local("score", str(file), "--qrels", str(judged), "--expect", f"{score:.5f}")
    assert told.returncode == 0, told.stderr
    wrong = finished.local("score", str(file), "--expect", f"{score + 0.01:.5f}")
    assert wrong.returncode == 1


def test_what_produced_the_score_is_told_and_intact(finished: Place) -> None:
    told = finished.local("audit", "trace")
    assert all(name in told.stdout for name in (THINKER, ADAPTER, DRAMA))
    verified = finished.local("audit", "verify")
    assert verified.returncode == 0, verified.stdout


def test_repeated_it_is_done_already(finished: Place) -> None:
    told = finished.done(finished.python, "-m", "dvc", "repro")
    assert "Running stage" not in told
