"""Random tamperings of every kind: each found, each named, and nothing else reported."""

from __future__ import annotations

import pytest

from tasks.audit.verify.verify import verify
from tests.audit.tamperer import Tamperer
from tests.audit.tampering import KINDS
from tests.project import Project

EACH = 4  # 33 kinds; benchmarks/tamper.py does a thousand


def test_every_tampering_is_found_and_named_and_nothing_else(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.root)
    assert verify().findings == []
    tamperer = Tamperer(finished.root, seed=11)
    for _ in range(EACH):
        for kind in KINDS.values():
            with tamperer.one(kind) as tampering:
                answer = verify()
            said = [(one.kind, one.where) for one in answer.findings]
            assert not answer.intact, tampering
            assert tampering.named(answer), (tampering, said)
            assert tampering.false(answer) == [], (tampering, said)
    assert verify().findings == []  # all was undone, so each was found by itself
