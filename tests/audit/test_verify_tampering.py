"""Random tamperings, one of every kind: each found, each named, and nothing else reported."""

from __future__ import annotations

import pytest

from tasks.audit.verify.view import verify
from tests.audit.tamperer import Tamperer
from tests.audit.tampering import KINDS
from tests.project import Project


def test_every_kind_of_tampering_is_found_and_named_and_nothing_else(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """benchmarks/tamper.py does a thousand."""
    monkeypatch.chdir(finished.root)
    assert verify().findings == []
    tamperer = Tamperer(finished.root, seed=11)
    for kind in KINDS.values():
        with tamperer.one(kind) as tampering:
            answer = verify()
        found = [(one.kind, one.where) for one in answer.findings]
        assert not answer.intact, tampering
        assert tampering.named(answer), (tampering, found)
        assert tampering.false(answer) == [], (tampering, found)
    assert verify().findings == []  # all was undone, so each was found by itself
