"""What a verification found: what was checked, which records disagree about what, and what could not be checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["missing", "altered", "extra", "unreadable"]


@dataclass
class Finding:
    """A disagreement between a thing and one or more records of it. Which of them was altered is not decided."""

    kind: Kind
    where: str  # a path, `results/encode/lancedb row VIDEO`, `MLflow run ID metric NAME`, `dvc.lock STAGE deps PATH`
    found: str | None  # its digest or value now; None where it is not there
    remark: str | None  # the reason, where there is one
    claims: dict[str, str | None]  # what contradicts it, by record; None where that knows of no such thing


@dataclass(frozen=True)
class Note:
    """No damage: code, params, versions or inputs that changed since, or a check that was not possible."""

    kind: Literal["changed since", "not checked"]
    where: str
    what: str


@dataclass
class Answer:
    """The verification of a state. Its sizes are in bytes."""

    state: str
    commit: str | None
    manifests: dict[str, str] = field(default_factory=dict)  # sha256 by stage
    runs: dict[str, list[str]] = field(default_factory=dict)  # MLflow's runs that published these, by stage
    intact: bool = True  # there is no finding
    checked: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    by_where: dict[str, Finding] = field(default_factory=dict, repr=False)

    def find(
        self, kind: Kind, where: str, record: str, expected: str | None, found: str | None, remark: str | None = None
    ) -> None:
        """Add a finding; one about the same thing gets one more record that contradicts it."""
        self.intact = False
        if where not in self.by_where:
            self.by_where[where] = Finding(kind, where, found, remark, {})
            self.findings.append(self.by_where[where])
        self.by_where[where].claims.setdefault(record, expected)

    def compare(
        self, where: str, record: str, expected: str | None, found: str | None, remark: str | None = None
    ) -> None:
        """Add a finding where a value is not what a record says; None is a thing that is not there."""
        if expected != found:
            kind: Kind = "extra" if expected is None else "missing" if found is None else "altered"
            self.find(kind, where, record, expected, found, remark)

    def compare_all(
        self, what: str, record: str, expected: Mapping[str, str | None], found: Mapping[str, str | None]
    ) -> None:
        """Compare values by name."""
        for name in sorted({*expected, *found}):
            self.compare(f"{what} {name}", record, expected.get(name), found.get(name))

    def unchecked(self, where: str, why: str | Exception) -> None:
        """Add a note on a check that was not possible, once."""
        if (one := Note("not checked", where, " ".join(str(why).split())[:300])) not in self.notes:
            self.notes.append(one)

    def wrong(self, where: str) -> bool:
        """Whether there is a finding about this, or about something in it."""
        return any(one == where or one.startswith((f"{where}/", f"{where} ")) for one in self.by_where)

    @property
    def verdict(self) -> str:
        """The verification in one line."""
        unchecked = sum(note.kind == "not checked" for note in self.notes)
        but = f"; {unchecked} checks were not possible, see the notes" if unchecked else ""
        kinds = Counter(one.kind for one in self.findings)
        found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        return (f"not intact: {found}" if kinds else "intact: all that was checked is as recorded") + but


def parse_answer(text: str) -> Answer:
    """The answer that `--json` prints. Raises ValueError where the text is no JSON."""
    read = json.loads(text)
    found = {"findings": [Finding(**one) for one in read["findings"]], "notes": [Note(**one) for one in read["notes"]]}
    return Answer(**read | found)
