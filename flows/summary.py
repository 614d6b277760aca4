"""The summary of a pipeline run: the score against the last one, what ran and what was reused, and links.

It is published as artifacts of the flow run. Their keys are the same for every run, so Prefect's Artifacts page has
their history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from flows.stage import StageResult
from tasks.lineage.mlflow import Tracking
from tasks.lineage.model import Run
from tasks.lineage.picture.graph import counted
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.scores import HEADLINE, MEASURES, Scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import read_cache_hits
from tasks.shared.runtime.files import read_json, sha256_file

PAGES = {"report": "report.html", "lineage": "lineage.html"}  # of the stage report, which MLflow keeps


@dataclass
class RunSummary:
    """What is known of a pipeline run.

    Attributes:
        name: of the run.
        root: where it runs; results are there.
        page: address of MLflow's pages.
        overrides: by dotted key.
        before, after: scores that lay there when it began and ended; None where there were none.
        results: how each stage ended.
        failed: the message of what ended it early.
        experiment: the name of the DVC experiment that keeps it.
    """

    name: str
    root: Path
    page: str
    overrides: Mapping[str, Any]
    tracking: str | None = None
    before: Scores | None = None
    after: Scores | None = None
    results: list[StageResult] = field(default_factory=list)
    failed: str | None = None
    experiment: str | None = None

    def headline(self) -> str:
        """The run in a sentence."""
        if self.failed:
            return self.failed
        counts = {what: sum(one.outcome == what for one in self.results) for what in ("ran", "restored", "unchanged")}
        did = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        now, then = _value(self.after), _value(self.before)
        if now is None:
            return did
        compared = "the first" if then is None else "as before" if now == then else f"{now - then:+.3f}"
        return f"{HEADLINE} {now:.3f} ({compared}); stages: {did}"


def publish(summary: RunSummary) -> None:
    """Publish the artifacts."""
    runs = _runs(summary)
    if summary.after is not None and summary.after.systems:
        create_table_artifact(
            score_table(summary.after, summary.before),
            key="score",
            description=f"{summary.name}: {summary.headline()}",
        )
    create_markdown_artifact(markdown(summary, runs), key="summary", description=summary.headline())
    if (run := runs.get("evaluate")) is not None:
        create_link_artifact(run_link(run, summary.page), "MLflow: the run of evaluate", key="mlflow-run")
    if (run := runs.get("report")) is not None:
        for key, file in PAGES.items():
            create_link_artifact(f"{run_link(run, summary.page)}/artifacts/{file}", f"MLflow: {file}", key=key)


def score_table(after: Scores, before: Scores | None) -> list[dict[str, Any]]:
    """A row a system and measure: now, at the last run, and the change; the headline's interval with it."""
    rows = []
    for measure in MEASURES:
        for system, values in after.systems.items():
            then = before.systems.get(system, {}).get(measure) if before is not None else None
            interval = after.intervals.get(system, {}).get(measure)
            rows.append(
                {
                    "system": system,
                    "measure": measure,
                    "now": f"{values[measure]:.4f}",
                    "95 % interval": f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else "",
                    "last run": "" if then is None else f"{then:.4f}",
                    "change": "" if then is None else f"{values[measure] - then:+.4f}",
                }
            )
    return rows


def markdown(summary: RunSummary, runs: Mapping[str, Run]) -> str:
    """The run in Markdown."""
    lines = [f"# {_text(summary.name)}", "", _text(summary.headline()), ""]
    if summary.overrides:
        lines += [f"- `{_code(key)}` = `{_code(value)}`" for key, value in summary.overrides.items()] + [""]
    if summary.experiment:
        lines += [
            f"Kept as a DVC experiment: `dvc exp apply {summary.experiment}` brings it into the workspace "
            "(commit first what you have changed there: DVC overwrites it).",
            "",
        ]
    lines += ["| stage | what DVC did | seconds | from the store | MLflow | items |", "|---|---|---:|---|---|---|"]
    for one in summary.results:
        run = runs.get(one.stage)
        link = f"[{run.run_id[:8]}]({run_link(run, summary.page)})" if run else ""
        took = f"{one.seconds:.0f}" if one.outcome != "unchanged" else ""
        cells = [one.stage, one.outcome, took, reused(one), link, _text(_items(summary.root, one.stage))]
        lines.append(f"| {' | '.join(cells)} |")
    if found := [text for one in summary.results for text in one.lines]:
        lines += ["", "What the stages printed:", "", "```", *(_code(text) for text in found), "```"]
    lines += [
        "",
        f"The report is `{RESULTS}/report/{PAGES['report']}`, the lineage `{RESULTS}/report/{PAGES['lineage']}`; "
        "MLflow keeps both with the run of the stage report. What produced the score: `reeltrace audit trace`.",
    ]
    return "\n".join(lines)


def reused(result: StageResult) -> str:
    """How many of a stage's items it took from the store, by its own line."""
    counts = [found[1] for line in result.lines if (found := read_cache_hits(line))]
    return ", ".join(f"{one.items} of {one.of} {one.unit}s" for one in counts)


def run_link(run: Run, page: str) -> str:
    """The address of a run on MLflow's pages."""
    experiment = run.artifacts.rstrip("/").split("/")[-3]
    return f"{page.rstrip('/')}/#/experiments/{experiment}/runs/{run.run_id}"


def _runs(summary: RunSummary) -> dict[str, Run]:
    """By stage, the last MLflow run that published the results that lie there."""
    manifests = {one.stage: summary.root / RESULTS / one.stage / MANIFEST for one in summary.results}
    digests = {stage: sha256_file(path) for stage, path in manifests.items() if path.exists()}
    found = Tracking(summary.tracking, summary.root).of_manifests(digests.values())
    return {stage: found[digest][-1] for stage, digest in digests.items() if found[digest]}


def _items(root: Path, stage: str) -> str:
    path = root / RESULTS / stage / MANIFEST
    return counted(read_json(path)["counts"]) if path.exists() else ""


def _value(scores: Scores | None) -> float | None:
    return scores.systems.get("tuned", {}).get(HEADLINE) if scores is not None else None


def _text(text: str) -> str:
    """Text for a Markdown cell, escaped."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
    return "".join(f"\\{one}" if one in "*_`[]#" else one for one in escaped)


def _code(value: Any) -> str:
    return str(value).replace("`", "'").replace("\n", " ")
