"""What a verification found: what was checked, which records disagree about what, and what could not be checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tasks.audit.verify.digests import Digest

Kind = Literal["missing", "altered", "extra", "unreadable"]
NoteKind = Literal["changed since", "not checked"]


@dataclass
class Finding:
    """A disagreement between a thing and one or more records of it. Which of them was altered is not decided.

    Attributes:
        where: a path, `results/encode/lancedb row VIDEO`, `MLflow run ID metric NAME`, `dvc.lock STAGE deps PATH`.
        found: its digest or value now; None where it is not there.
        remark: the reason, where there is one.
        claims: what every record says that contradicts it, by record; None where that knows of no such thing.
    """

    kind: Kind
    where: str
    found: str | None
    remark: str | None
    claims: dict[str, str | None]


@dataclass(frozen=True)
class Note:
    """No damage: code, params, versions or inputs that changed since, or a check that was not possible."""

    kind: NoteKind
    where: str
    what: str


@dataclass
class Answer:
    """The verification of a state.

    Attributes:
        state, commit: which, as a Lineage names it.
        manifests: sha256 of every stage's manifest, by stage.
        runs: MLflow's runs that published these, by stage.
        intact: there is no finding.
        checked: how much of every kind; sizes: its bytes, where that has a meaning.
    """

    state: str
    commit: str | None
    manifests: dict[str, str] = field(default_factory=dict)
    runs: dict[str, list[str]] = field(default_factory=dict)
    intact: bool = True
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

    def compare_file(self, where: str, record: str, expected: str | None, found: Digest) -> None:
        """Compare a file with what a record says of it: `sha256 ...`, `md5 ...`, or None where it knows of none."""
        if found.sha256 is None and not found.missing:
            self.find("unreadable", where, record, expected, None, found.reason)
        else:
            self.compare(where, record, expected, found.like(expected), found.reason)

    def note(self, kind: NoteKind, where: str, what: str) -> None:
        """Add a note, once."""
        if (one := Note(kind, where, what)) not in self.notes:
            self.notes.append(one)

    def count(self, what: str, checked: Iterable[object]) -> None:
        """Count what was checked, and of files their size."""
        for one in checked:
            self.checked[what] += 1
            if isinstance(one, Digest):
                self.sizes[what] += one.bytes

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
    found = {"findings": [Finding(**one) for one in read["findings"]], "notes": [Note(**one) for one in read["notes"]]}
    return Answer(**read | found)
