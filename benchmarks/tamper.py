"""Is every tampering with a finished project found, named, and nothing else reported?

Copies a finished project and tampers with the copy at random, one tampering at a time, each undone before the next.

    .venv/bin/python -m benchmarks.tamper 1000
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tasks.audit.verify.view import verify
from tasks.shared.runtime.progress import progress
from tests.audit.tamperer import Tamperer
from tests.audit.tampering import KINDS


def main() -> int:
    """Tamper and verify; print a row for every kind, and by the exit code say whether all were found and named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, metavar="N", help="how many tamperings")
    parser.add_argument("--folder", type=Path, default=Path(), help="a finished project (default: this folder)")
    parser.add_argument("--seed", type=int, default=7, help="of what is drawn (default: 7)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = copied(chosen.folder.resolve(), Path(folder) / "project")
        os.chdir(root)
        return run(root, chosen.count, chosen.seed)


def copied(source: Path, root: Path) -> Path:
    """A copy of a project whose MLflow runs keep their artifacts in the copy."""
    shutil.copytree(source, root, symlinks=True, ignore=shutil.ignore_patterns(".venv", ".reeltrace"))
    with sqlite3.connect(root / "mlflow.db") as database:
        for address, run in database.execute("SELECT artifact_uri, run_uuid FROM runs").fetchall():
            moved = f"{root}/mlruns/{address.split('/mlruns/')[-1]}"
            database.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (moved, run))
    return root


def run(root: Path, count: int, seed: int) -> int:
    """Do so many tamperings, every kind as often as any other."""
    untouched = verify()
    print(f"untouched: {'intact' if untouched.intact else untouched.findings}")
    tamperer, kinds = Tamperer(root, seed), sorted(KINDS)
    done, found, named, false = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    started = time.monotonic()
    for number in progress(range(count), "tamper", unit="tampering"):
        with tamperer.one(KINDS[kinds[number % len(kinds)]]) as tampering:
            answer = verify()
        done[tampering.kind] += 1
        found[tampering.kind] += not answer.intact
        named[tampering.kind] += tampering.named(answer)
        if wrong := tampering.false(answer):
            false[tampering.kind] += 1
        if wrong or not tampering.named(answer):
            print(f"{tampering}: found {[one.where for one in answer.findings]}", file=sys.stderr)
    seconds = time.monotonic() - started
    print(f"{'kind':40} tampered  found  named  false reports")
    for kind in sorted(done):
        print(f"{kind:40} {done[kind]:8} {found[kind]:6} {named[kind]:6} {false[kind]:14}")
    print(f"{'all':40} {count:8} {found.total():6} {named.total():6} {false.total():14}")
    after = verify()
    print(f"after all were undone: {'intact' if after.intact else after.findings}; {seconds / count:.2f} s each")
    return int(not untouched.intact or not after.intact or named.total() != count or false.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
