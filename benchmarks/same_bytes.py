"""Do two clean clones on one machine give the same bytes?

Runs the pipeline in two clones of HEAD that share nothing, and compares what DVC recorded for every output, and the
index's content manifest. The LanceDB folder itself is listed but may differ: its identity is that manifest.

    .venv/bin/python -m benchmarks.same_bytes
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.clones import clone, repro

DERIVED = "results/encode/lancedb"


def main() -> int:
    """Run both, print a row for every output, and say by the exit code whether all that must be equal is."""
    with tempfile.TemporaryDirectory() as folder:
        locks = []
        for name in ("one", "two"):
            place = clone(Path(folder) / name, {})
            repro(place)
            locks.append(yaml.safe_load((place / "dvc.lock").read_text(encoding="utf-8"))["stages"])
            print(f"clone {name} is done", flush=True)
    differing = 0
    for stage, entry in locks[0].items():
        for out, other in zip(entry["outs"], locks[1][stage]["outs"], strict=True):
            same = out["md5"] == other["md5"]
            differing += not same and out["path"] != DERIVED
            print(f"{'same  ' if same else 'DIFFER'}  {out['md5'][:12]}  {out['path']}")
    print("all equal" if not differing else f"{differing} outputs differ")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
