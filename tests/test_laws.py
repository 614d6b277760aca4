"""The laws of the house: what must hold of the repository as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tasks.shared.execution.params import NO_STAGES, Params, load_params
from tasks.shared.execution.pipeline import read_stages

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
    assert Path("tasks") / stage in spec.deps, "its code is a dependency"


def test_every_section_of_params_is_somebodys() -> None:
    assert set(Params.model_fields) == set(STAGES) | SHARED_SECTIONS | {"flows"}
    assert SHARED_SECTIONS | {"flows"} == NO_STAGES
    read = {key.split(".")[0] for stage in STAGES.values() for key in stage["params"]}  # type: ignore[attr-defined]
    assert read == set(Params.model_fields) - {"flows"}, "what flows obey makes no stage stale"


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


def test_whatever_code_a_stage_imports_is_its_dependency_or_decides_no_bytes() -> None:
    """A stage whose code changed must be stale. What only runs and reports (engine, tracking, ...) is left out."""
    execution = "cron engine failures items params params_file pipeline profiles reused stage workers"
    runs_only = {f"tasks/shared/execution/{name}.py" for name in [*execution.split(), "mlflow_upgrade", "tracking"]}
    runs_only |= {f"tasks/shared/runtime/{name}.py" for name in ["errors", "gpu", "hub", "locks", "models", "progress"]}
    for stage, spec in read_stages(load_params(ROOT / "params.yaml"), ROOT / "dvc.yaml").items():
        watched = {path.as_posix() for path in spec.deps}
        for path in reached(ROOT / "tasks" / stage):
            name = path.relative_to(ROOT).as_posix()
            covered = (
                name in runs_only
                or path.stat().st_size == 0
                or any(name == dep or name.startswith(f"{dep}/") for dep in watched)
            )
            assert covered, f"{stage} imports {name}, which dvc.yaml does not name among its deps"


def reached(room: Path) -> set[Path]:
    """Files under tasks/ that a stage's room imports, also through what it imports."""
    found: set[Path] = set()
    waiting = sorted(room.glob("*.py"))
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for module in imported(path):
            base = ROOT.joinpath(*module.split("."))
            waiting += [one for one in (base.with_suffix(".py"), base / "__init__.py") if one.is_file()]
    return found


def imported(path: Path) -> set[str]:
    """Names of modules under tasks that a file imports, inside functions too, but not for types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    types_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in types_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name == "tasks" or name.startswith("tasks.")}


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
