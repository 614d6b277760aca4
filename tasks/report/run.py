"""The report stage: the page a person reads, `report.html`, its plots as PNG files, and `lineage.html` beside it.

A page needs no other file, no script and no network. Without test judgments it has no scores, and shows the
corpus; without queries it shows sample videos instead of sample queries.
"""

from __future__ import annotations

from tasks.report.evidence import read_evidence
from tasks.report.lineage import PAGE as LINEAGE
from tasks.report.lineage import lineage_parts
from tasks.report.page import page_parts, plots_of, render
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.files import write_text

PAGE = "report.html"
PLOTS = "plots"


def run(stage: StageRun) -> None:
    """Read the published stages, write the pages and the plots into `stage.out`."""
    params = stage.params.report
    evidence = read_evidence()
    parts = page_parts(evidence, params.sample_queries, params.results)
    folder = stage.out / PLOTS
    folder.mkdir()
    for plot in plots_of(parts):
        (folder / f"{plot.name}.png").write_bytes(plot.light)
    write_text(stage.out / PAGE, render(parts))
    write_text(stage.out / LINEAGE, render(parts | lineage_parts(evidence, parts["samples"]), LINEAGE))
    stage.counts = {
        "queries_shown": len(parts["samples"]),
        "videos_shown": len(parts["sample_videos"]),
        "plots": len(plots_of(parts)),
        "failures": len(evidence.failures),
    }
