"""What a verification found: what was checked, which records disagree about what, and what could not be checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["missing", "altered", "extra", "unreadable"]
NoteKind = Literal["changed since", "not checked"]


@dataclass(frozen=True)
class Claim:
    """What a record says that a thing is: a digest or a value; None where it knows of no such thing."""

    record: str
    expected: str | None


@dataclass
class Finding:
    """A disagreement between a thing and one or more records of it. Which of them was altered is not decided.

    Attributes:
        where: a path, `results/encode/lancedb row VIDEO`, `MLflow run ID metric NAME`, `dvc.lock STAGE deps PATH`.
        found: its digest or value now; None where it is not there.
        claims: every record that contradicts what was found.
        remark: the reason, where there is one.
    """

    kind: Kind
    where: str
    found: str | None
    claims: list[Claim] = field(default_factory=list)
    remark: str | None = None


@dataclass(frozen=True)
class Note:
    """No damage: code, params, versions or inputs that changed since, or a check that was not possible."""

    kind: NoteKind
    where: str
    what: str


@dataclass
class Checked:
    """How much of a kind was checked, and how large it is where that has a meaning."""

    what: str
    count: int = 0
    bytes: int | None = None


@dataclass
class Answer:
    """The verification of a state.

    Attributes:
        state, commit: which, as a Lineage names it.
        manifests: sha256 of every stage's manifest, by stage.
        runs: MLflow's runs that published these, by stage.
        intact: there is no finding.
    """

    state: str
    commit: str | None
    manifests: dict[str, str] = field(default_factory=dict)
    runs: dict[str, list[str]] = field(default_factory=dict)
    intact: bool = True
    checked: list[Checked] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    by_where: dict[str, Finding] = field(default_factory=dict, repr=False)

    def find(
        self, kind: Kind, where: str, record: str, expected: str | None, found: str | None, remark: str | None = None
    ) -> None:
        """Add a finding; one about the same thing gets one more record that contradicts it."""
        self.intact = False
        if where not in self.by_where:
            self.by_where[where] = Finding(kind, where, found, [], remark)
            self.findings.append(self.by_where[where])
        if (claim := Claim(record, expected)) not in self.by_where[where].claims:
            self.by_where[where].claims.append(claim)

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

    def note(self, kind: NoteKind, where: str, what: str) -> None:
        """Add a note, once."""
        if (one := Note(kind, where, what)) not in self.notes:
            self.notes.append(one)

    def count(self, what: str, count: int = 1, size: int | None = None) -> None:
        """Count what was checked."""
        one = next((one for one in self.checked if one.what == what), None)
        if one is None:
            self.checked.append(one := Checked(what))
        one.count += count
        one.bytes = one.bytes if size is None else (one.bytes or 0) + size

    def wrong(self, where: str) -> bool:
        """Whether there is a finding about this, or about something in it."""
        return any(one == where or one.startswith((f"{where}/", f"{where} ")) for one in self.by_where)

    @property
    def verdict(self) -> str:
        """The verification in one line."""
        unchecked = sum(note.kind == "not checked" for note in self.notes)
        but = f"; {unchecked} checks were not possible, see the notes" if unchecked else ""
        if self.intact:
            return f"intact: all that was checked is as recorded{but}"
        kinds = [one.kind for one in self.findings]
        return f"not intact: {', '.join(f'{kinds.count(kind)} {kind}' for kind in dict.fromkeys(kinds))}{but}"


def parse_answer(text: str) -> Answer:
    """The answer that `--json` prints. Raises ValueError where the text is no JSON."""
    read = json.loads(text)
    findings = [Finding(**one | {"claims": [Claim(**claim) for claim in one["claims"]]}) for one in read["findings"]]
    checked, notes = [Checked(**one) for one in read["checked"]], [Note(**one) for one in read["notes"]]
    return Answer(**read | {"checked": checked, "findings": findings, "notes": notes})
