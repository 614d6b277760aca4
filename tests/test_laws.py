"""The laws of the house: what must hold of the repository as a whole."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import get_args

import pytest
import yaml
from packaging.requirements import Requirement

from tasks.report.headline import SOURCES
from tasks.shared.artifacts.losses import PARTS
from tasks.shared.execution.code import code_of
from tasks.shared.execution.code_deps import outdated
from tasks.shared.execution.params import NO_STAGES, NOT_OF_STAGES, Params, load_params
from tasks.shared.execution.params_sections import Corpus
from tasks.shared.execution.params_train import Objectives
from tasks.shared.execution.pipeline import read_stages
from tasks.shared.runtime.files import files_under

ROOT = Path(__file__).resolve().parents[1]
STAGES: dict[str, dict[str, object]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
SHARED_SECTIONS = {"run", "document", "retriever"}  # obeyed by more than one stage
DECIDE_NOTHING = {"encode.processes"}  # params that change how a stage runs and no byte of what it leaves
MODELS = {"base", "train", "encode"}  # stages that run the omni embedder
HEAVY = ("torch", "transformers", "sentence_transformers", "peft", "lancedb", "mlflow", "faster_whisper", "prefect")
LIMIT = 1 << 20  # bytes of a tracked file


def tracked() -> list[Path]:
    """Files that git tracks, or would with `git add .`; all files where this is no git checkout."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_import_contracts_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    checked = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 broken" in checked.stdout


def test_every_stage_room_is_in_the_import_contracts() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    rooms = next(line for line in text.splitlines() if "tasks.corpus | " in line)
    assert set(re.findall(r"tasks\.(\w+)", rooms)) == set(STAGES)


def test_no_two_modules_import_each_other() -> None:
    """Nor are there longer cycles; imports for types count too."""
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sources("tasks", "flows")}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        graph[name] = (found & modules.keys()) - {name}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names them


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_one_name(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"python -m tasks.{stage}"
    assert stage in Params.model_fields, "its section of params.yaml"
    assert (ROOT / "tasks" / stage / "__main__.py").is_file()
    program = (ROOT / "tasks" / stage / "__main__.py").read_text(encoding="utf-8")
    assert re.search(rf'\bmain\(\s*"{stage}",', program)
    spec = read_stages(load_params(ROOT / "params.yaml"), ROOT / "dvc.yaml")[stage]
    published = Path("results") / stage
    assert all(out == published or published in out.parents for out in spec.outs)


def test_what_is_added_in_one_place_is_named_in_the_others() -> None:
    assert set(PARTS) == set(Objectives.model_fields), "columns of loss.csv: a weight of train.objectives each"
    assert set(SOURCES) == set(get_args(Corpus.model_fields["source"].annotation)), "what the report calls each source"


def test_every_section_of_params_is_somebodys() -> None:
    assert set(Params.model_fields) == set(STAGES) | SHARED_SECTIONS
    assert SHARED_SECTIONS == NO_STAGES
    written = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert set(written) == set(Params.model_fields) | NOT_OF_STAGES
    read = {key.split(".")[0] for stage in STAGES.values() for key in stage["params"]}  # type: ignore[attr-defined]
    assert read == set(Params.model_fields), "what flows obey makes no stage stale"


def test_a_stage_depends_on_every_param_of_its_own_that_decides_bytes() -> None:
    for stage in STAGES:
        read = STAGES[stage]["params"]
        own = {f"{stage}.{name}" for name in Params.model_fields[stage].annotation.model_fields}  # type: ignore[union-attr]
        assert stage in read or own - set(read) == own & DECIDE_NOTHING  # type: ignore[operator, call-overload]


def test_params_that_stages_depend_on_exist() -> None:
    params = load_params(ROOT / "params.yaml")
    for spec in read_stages(params, ROOT / "dvc.yaml").values():
        for key in spec.params:
            params.section(key)


def test_what_stages_say_of_themselves_is_true() -> None:
    for stage in read_stages(load_params(ROOT / "params.yaml"), ROOT / "dvc.yaml").values():
        read = {key for key in stage.key_params if any(key == one or key.startswith(f"{one}.") for one in stage.params)}
        assert read == set(stage.key_params), f"{stage.name} does not depend on these params"
        assert stage.description and stage.key_params


def test_a_stage_depends_on_the_code_that_it_imports_and_on_no_other() -> None:
    assert outdated() == {}, "run make deps"
    for stage, spec in read_stages(load_params(ROOT / "params.yaml"), ROOT / "dvc.yaml").items():
        named = {file for dep in spec.deps if dep.parts[0] == "tasks" for file in files_under(ROOT / dep)}
        code = {file.relative_to(ROOT).as_posix() for file in named if "__pycache__" not in file.parts}
        assert code == code_of(f"tasks.{stage}.__main__").keys()


@pytest.mark.parametrize(
    "room", ["cli", *(f"{stage}.run" for stage in STAGES if stage not in MODELS), "shared.execution.stage"]
)
def test_what_needs_no_model_starts_without_one(room: str) -> None:
    program = f"import sys, tasks.{room}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(loaded.stdout.split()) & set(HEAVY)


def test_help_needs_nothing_that_is_slow_to_import() -> None:
    program = "import atexit, sys, tasks.cli; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    program += "tasks.cli.main(['--help'])"
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "search" in shown.stdout
    loaded = {name.partition(".")[0] for name in shown.stderr.split()}
    assert not loaded & {*HEAVY, "numpy", "pyarrow", "pandas", "scipy", "dvc", "av", "matplotlib"}


def test_no_tracked_file_is_large() -> None:
    assert [str(path) for path in tracked() if path.stat().st_size > LIMIT] == []


FORBIDDEN = {
    "pickle": re.compile(r"\bimport (c?[pP]ickle|dill|cloudpickle|shelve|joblib)\b|\bfrom (pickle|dill|joblib) import"),
    "NumPy files that hold pickles": re.compile(r"allow_pickle\s*=\s*True"),
    "torch.load without weights_only": re.compile(r"torch\.load\((?![^)]*weights_only=True)"),
    "remote code without a param": re.compile(r"trust_remote_code\s*=\s*True"),
    "a shell": re.compile(r"shell\s*=\s*True|\bos\.system\("),
    "all network interfaces": re.compile(r"0\.0\.0\.0"),
    "YAML that builds objects": re.compile(r"yaml\.(unsafe_|full_)?load\("),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_code_is_free_of(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in [*sources("tasks", "flows", "benchmarks"), ROOT / "Makefile"]
        if (match := FORBIDDEN[what].search(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    silent = []
    for path in sources("tasks", "flows", "benchmarks"):
        text = path.read_text(encoding="utf-8")
        if text.strip() and path.name != "__main__.py" and not ast.get_docstring(ast.parse(text)):
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_the_lock_has_no_addresses_and_pins_what_pyproject_asks_for() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    pins = dict(line.split("==") for line in lines)
    assert not any("+" in pin or "/" in pin for pin in pins.values())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for asked in chain(project["dependencies"], *project["optional-dependencies"].values()):
        requirement = Requirement(asked)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in pins, f"{asked}: run make lock"
        assert requirement.specifier.contains(pins[name]), f"{asked} is pinned to {pins[name]}: run make lock"
