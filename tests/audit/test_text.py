"""The text view: piped output has whole lines without box drawing, a terminal folds, and datasets' text stays text."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.audit.text import as_json, lines, show, table, tree
from tests.project import ROOT

LONG = "results/extract/frames/" + "a_very_long_name_" * 20 + ".png"
PROGRAM = f"""
from tasks.audit.text import lines, show, table, tree
top = tree("evaluate")
top.add("made {LONG}", ["[bold]a leaf[/bold]"])
rows = [["{LONG}", 7, None], ["短い", 12345, 0.5]]
files = table("files", ["file", "count", "score"], rows, right=["count"])
show("a line of {LONG}", top, files, lines("notes", ["one"]))
"""


def output(program: str, stdout: int) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "60", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", program], stdout=stdout, env=environment, check=True)


def test_what_is_piped_is_neither_wrapped_nor_cut_nor_boxed(tmp_path: Path) -> None:
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as stream:
        output(PROGRAM, write)
        os.close(write)
        found = stream.read().splitlines()
    assert found == [
        f"a line of {LONG}",
        "evaluate",
        f"  made {LONG}",
        "    [bold]a leaf[/bold]",
        "",
        "files",
        f"file{' ' * (len(LONG) - 4)}  count  score",
        f"{LONG}      7  -",
        f"短い{' ' * (len(LONG) - 4)}  12345  0.5000",
        "notes:",
        "  one",
    ]


def test_a_terminal_folds_tables_to_its_width() -> None:
    master, terminal = os.openpty()
    output(f"from tasks.audit.text import show, table\nshow(table('files', ['file'], [['{LONG}']]))", terminal)
    os.close(terminal)
    shown = os.read(master, 1 << 16).decode()
    os.close(master)
    rows = [line.strip() for line in shown.splitlines()]
    assert LONG not in shown and LONG in "".join(rows)


def test_control_characters_are_made_visible_and_nothing_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show("\x1b[31mred", tree("a\nb"), table("", ["x"], [["\x07"]]), None, lines("none", []))
    assert capsys.readouterr().out == "\\x1b[31mred\na b\n\nx\n\\x07\n"


@dataclass(frozen=True)
class Answer:
    when: datetime
    hidden: str = field(repr=False)
    inner: list[dict[str, Path]]


def test_json_has_what_a_dataclass_shows() -> None:
    answer = Answer(datetime(2026, 1, 2, tzinfo=UTC), "no", [{"path": Path("a/b")}])
    assert as_json(answer).split() == ["{", '"when":', '"2026-01-02T00:00:00+00:00",', '"inner":', "[", "{",
                                       '"path":', '"a/b"', "}", "]", "}"]  # fmt: skip
