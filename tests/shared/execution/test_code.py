"""What a module is made of, and that it decides the keys of stored items."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tasks.shared.execution import code
from tasks.shared.execution.code import code_of
from tasks.shared.execution.code_deps import code_deps, outdated, write_code_deps
from tasks.shared.execution.items import ItemStore

REPOSITORY = Path(__file__).resolve().parents[3]
STORE = re.compile(r'ItemStore\(\s*(?:"\w+"|[A-Z]+),\s*"([\w.]+)"')  # the module that makes the items of a step
CODE = re.compile(r'code_of\([\'"](tasks\.[\w.]+)[\'"]\)')
# by module that makes items: files that decide their bytes, some of them far from it
DECIDES = {
    "tasks.base.tiny": ["tasks/base/muon.py", "tasks/synthetic/speech.py", "tasks/omni/features.py"],
    "tasks.corpus.duration": ["tasks/corpus/duration.py"],
    "tasks.corpus.features": ["tasks/corpus/tables.py", "tasks/corpus/tars.py"],
    "tasks.corpus.join": ["tasks/corpus/join.py", "tasks/video/container.py"],
    "tasks.corpus.tars": ["tasks/corpus/tars.py"],
    "tasks.extract.item": ["tasks/shared/runtime/files.py", "tasks/video/picture.py", "tasks/video/container.py"],
    "tasks.omni.encode_item": ["tasks/shared/artifacts/media.py", "tasks/omni/prompt.py", "tasks/omni/lora.py"],
    "tasks.shared.retrieval.text_encoder": ["tasks/shared/retrieval/text_encoder.py"],
    "tasks.train.learn": ["tasks/shared/artifacts/media.py", "tasks/train/losses.py", "tasks/omni/tower_outputs.py"],
    "tasks.transcribe.reader": ["tasks/video/picture.py"],
    "tasks.transcribe.recogniser": ["tasks/shared/artifacts/media.py"],
}
UNRELATED = [
    "tasks/shared/artifacts/scores.py", "tasks/shared/artifacts/index.py", "tasks/shared/execution/stage.py",
    "tasks/shared/execution/tracking.py", "tasks/shared/execution/params.py", "tasks/report/page.py",
    "tasks/report/page.css", "tasks/evaluate/run.py", "tasks/audit/cli.py",
]  # fmt: skip


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root.joinpath("tasks", *name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_closure_follows_imports(tmp_path: Path) -> None:
    write(
        tmp_path,
        a__entry="from tasks.b import used\nimport os\n",
        b__used="def later():\n    if True:\n        import tasks.c.deep as deep\n",
        c__deep=(
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tasks.d.types\n"
            "else:\n    import tasks.d.runtime\ntry:\n    pass\nfinally:\n    from tasks.d.last import name\n"
        ),
        d__types="", d__runtime="", d__last="name = 1", d__other="import tasks.a.entry", e__alone="",
    )  # fmt: skip
    (tmp_path / "tasks/__init__.py").write_text("")
    (tmp_path / "tasks/c/__init__.py").write_text("from tasks.e import alone\n")
    (tmp_path / "tasks/b/page.html").write_text("<p>")
    (tmp_path / "tasks/b/pictures").mkdir()
    (tmp_path / "tasks/b/pictures/x.svg").write_text("<svg/>")
    (tmp_path / "tasks/b/__pycache__").mkdir()
    (tmp_path / "tasks/b/__pycache__/used.cpython-311.pyc").write_text("")
    names = [
        "__init__.py", "a/entry.py", "b/page.html", "b/pictures/x.svg", "b/used.py", "c/__init__.py", "c/deep.py",
        "d/last.py", "d/runtime.py", "e/alone.py",
    ]  # fmt: skip
    found = code_of("tasks.a.entry", root=tmp_path)
    assert list(found) == [f"tasks/{name}" for name in names]
    write(tmp_path, d__last="name = 22")
    changed = code_of("tasks.a.entry", root=tmp_path)
    assert [name for name in found if found[name] != changed[name]] == ["tasks/d/last.py"]
    with pytest.raises(ValueError, match=r"no module tasks\.gone"):
        code_of("tasks.gone", root=tmp_path)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("code")
    shutil.copytree(REPOSITORY / "tasks", root / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "dvc.yaml", root / "dvc.yaml")
    return root


def test_every_item_step_is_tried_here() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "tasks").rglob("*.py")]
    stores = sum(text.count("ItemStore(") for text in texts) - sum(text.count("class ItemStore(") for text in texts)
    makers = [maker for text in texts for maker in STORE.findall(text)]
    assert len(makers) == stores, "every store names its maker"
    assert {*makers, *(maker for text in texts for maker in CODE.findall(text))} == set(DECIDES)


@pytest.mark.parametrize("maker", DECIDES)
def test_what_makes_items_decides_their_keys(maker: str, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "ROOT", copied)

    def keys_with_another(name: str) -> tuple[str, str]:
        path = copied / name
        text = path.read_text(encoding="utf-8")
        before = ItemStore("step", maker, {}).key("item")
        path.write_text(f"{text}\n# changed\n", encoding="utf-8")
        after = ItemStore("step", maker, {}).key("item")
        path.write_text(text, encoding="utf-8")
        return before, after

    for name in DECIDES[maker]:
        before, after = keys_with_another(name)
        assert before != after, name
    for name in UNRELATED:
        before, after = keys_with_another(name)
        assert before == after, name


def test_a_column_of_an_evaluation_table_does_not_rerun_mining() -> None:
    tables = {f"tasks/shared/artifacts/{name}.py" for name in ("scores", "fusion", "directions")}
    assert not tables & code_of("tasks.mine.__main__").keys()
    assert not tables & code_of("tasks.train.__main__").keys()


def test_code_deps_are_written_and_the_rest_of_dvc_yaml_stays(copied: Path) -> None:
    original = (REPOSITORY / "dvc.yaml").read_text(encoding="utf-8")
    assert "tasks/extract" in code_deps("extract", copied), "a whole folder is named once"
    assert outdated(copied) == {}
    file, extra = copied / "dvc.yaml", copied / "tasks/extract/extra.py"
    file.write_text(original.replace("      - tasks/video\n", "      - tasks/audit\n"), encoding="utf-8")
    extra.write_text("", encoding="utf-8")  # not imported: the folder is no longer all extract's
    found = outdated(copied)
    assert "tasks/video" in found["extract"][0] and "tasks/extract" in found["extract"][1]
    assert "tasks/audit" in found["transcribe"][1]
    extra.unlink()
    write_code_deps(copied)
    assert file.read_text(encoding="utf-8") == original
