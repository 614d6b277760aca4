"""What a verification says: what was checked, what is wrong and who says so, and what could not be told."""

from __future__ import annotations

import json
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
    """Something that is not what was recorded.

    Attributes:
        where: a path, `results/encode/lancedb row VIDEO`, `MLflow run ID metric NAME`, `dvc.lock STAGE outs PATH`.
        found: its digest or value now; None where it is not there.
        claims: every record that contradicts what was found.
        remark: what else can be told, in words.
    """

    kind: Kind
    where: str
    found: str | None
    claims: list[Claim] = field(default_factory=list)
    remark: str | None = None


@dataclass(frozen=True)
class Note:
    """No damage: code, params, versions or dependencies that changed since, or a check that was not possible."""

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
        state, commit: which, as a Snapshot names it.
        manifests: sha256 of every stage's manifest, by stage.
        runs: MLflow's runs that published these, by stage.
        intact: nothing is missing, altered, extra or unreadable.
    """

    state: str
    commit: str | None
    manifests: dict[str, str] = field(default_factory=dict)
    runs: dict[str, list[str]] = field(default_factory=dict)
    intact: bool = True
    checked: list[Checked] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def find(
        self,
        kind: Kind,
        where: str,
        record: str,
        expected: str | None,
        found: str | None,
        remark: str | None = None,
    ) -> None:
        """Add a finding; what is known of the same thing already gets one more record that contradicts it."""
        self.intact = False
        for known in self.findings:
            if known.where == where:
                claim = Claim(record, expected)
                if claim not in known.claims:
                    known.claims.append(claim)
                return
        self.findings.append(Finding(kind, where, found, [Claim(record, expected)], remark))

    def note(self, kind: NoteKind, where: str, what: str) -> None:
        """Add a note, once."""
        if (one := Note(kind, where, what)) not in self.notes:
            self.notes.append(one)

    def count(self, what: str, count: int = 1, size: int | None = None) -> None:
        """Say that so many of a kind were checked."""
        for known in self.checked:
            if known.what == what:
                known.count += count
                known.bytes = known.bytes if size is None else (known.bytes or 0) + size
                return
        self.checked.append(Checked(what, count, size))

    def wrong(self, *wheres: str) -> bool:
        """Whether there is a finding about one of these, or about something in one of them."""
        inside = tuple(f"{where}{mark}" for where in wheres for mark in "/ ")
        return any(one.where in wheres or one.where.startswith(inside) for one in self.findings)


def parse_answer(text: str) -> Answer:
    """The answer that `--json` prints. Raises ValueError where the text is no JSON."""
    read = json.loads(text)
    findings = [Finding(**one | {"claims": [Claim(**claim) for claim in one["claims"]]}) for one in read["findings"]]
    return Answer(
        **read
        | {
            "checked": [Checked(**one) for one in read["checked"]],
            "findings": findings,
            "notes": [Note(**one) for one in read["notes"]],
        }
    )
