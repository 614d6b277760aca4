"""Is tuned better than its base and the baselines over several seeds?

A seed decides the demo's events, videos and queries, the base and the training. Every seed runs the whole pipeline
in a clean clone; then tuned is compared with each system by a paired randomisation test over all queries of all
seeds, and within each seed by the pipeline's own test.

    .venv/bin/python -m benchmarks.seeds 7 8 9
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.clones import clone, repro
from tasks.evaluate.significance import randomisation_p
from tasks.shared.artifacts.scores import HEADLINE, SYSTEMS, Scores, read_scores

PERMUTATIONS = 100_000
TYPES = ("base", "description", "ocr", "speech")


def main(seeds: list[int]) -> None:
    """Run every seed and print a row for each, then the pooled comparison."""
    scores: list[Scores] = []
    pooled: dict[str, list[float]] = {system: [] for system in SYSTEMS}
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            place = clone(Path(folder) / f"seed-{seed}", {"run.seed": seed})
            repro(place, "evaluate")
            scores.append(read_scores(place / "results" / "evaluate"))
            rows = pq.read_table(place / "results" / "evaluate" / "per_query.parquet").to_pylist()
            for system in SYSTEMS:
                pooled[system] += [row[HEADLINE] for row in rows if row["system"] == system]
            print(_line(str(seed), scores[-1]), flush=True)
    print(f"\n{len(pooled['tuned'])} queries of {len(seeds)} seeds: mean {HEADLINE}, tuned's lead, p")
    for system in SYSTEMS:
        lead = np.array(pooled["tuned"]) - np.array(pooled[system])
        p = randomisation_p(lead.tolist(), PERMUTATIONS, seed=0) if system != "tuned" else float("nan")
        print(f"  {system:11s} {np.mean(pooled[system]):.3f}  {lead.mean():+.3f}  {p:.5f}")


def _line(seed: str, scores: Scores) -> str:
    means = "  ".join(f"{system} {scores.systems[system][HEADLINE]:.3f}" for system in SYSTEMS)
    tests = "  ".join(f"p({other}) {test.p:.4f}" for other, test in scores.tests.items())
    kinds = "  ".join(
        f"{kind} " + "/".join(f"{scores.slices['query_type'][kind].systems[one][HEADLINE]:.2f}" for one in SYSTEMS)
        for kind in TYPES
    )
    return f"seed {seed}: {means}  {tests}\n    by query type, {'/'.join(SYSTEMS)}: {kinds}"


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [7, 8, 9])
