"""Tables of plain rows: empty columns are left out, and what is long is cut, which is said."""

from __future__ import annotations

import pytest

from tasks.audit.rows import rows
from tasks.audit.text import show


def test_rows_become_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    found = [{"id": f"v{n}", "none": None, "sha256": "ab" * 32, "steps": [*range(n)], "ranks": {"bm25": None}, "n": n}
             for n in range(9, 11)]  # fmt: skip
    show(rows("found", found, most=1), rows("nothing", []))
    assert capsys.readouterr().out.splitlines() == [
        "",
        "found (the first 1 of 2; --json has all)",
        "id  sha256        steps                      ranks   n",
        "v9  abababababab  0, 1, 2, 3, 4, 5, 6, 7, …  bm25 -  9",
    ]
