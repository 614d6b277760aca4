"""The pages: Jinja templates with autoescape on, the style sheet inside, every picture a data URI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.lineage.picture.formats import svg
from tasks.report import numbers
from tasks.report.evidence import Evidence
from tasks.report.headline import demo_notes, not_shown, searched, systems_explained, verdicts
from tasks.report.lineage import PAGE as LINEAGE
from tasks.report.lineage import broken_links, models, stage_lineage
from tasks.report.negatives import mined
from tasks.report.overview import breakdown, missing, splits
from tasks.report.plots import Plot, curve_plot
from tasks.report.samples import sample_videos, samples, strips_of
from tasks.report.strips import data_uri
from tasks.report.tables import METHODS, directions_explained, directions_verdict, facets, systems_plot
from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.directions import AVERAGES, CUTS
from tasks.shared.artifacts.scores import HEADLINE, MEASURES

HERE = Path(__file__).parent
FILTERS = ("decimals", "signed", "probability", "whole", "size", "duration", "counted", "listed", "shortened")


def page_parts(evidence: Evidence, sample_queries: int, results: int) -> dict[str, Any]:
    """What the template is filled with, by the names it uses."""
    scores, directions = evidence.scores, evidence.scores.directions
    shown = samples(evidence, sample_queries, results)
    videos = [] if shown else sample_videos(evidence, sample_queries)
    return {
        "evidence": evidence,
        "scores": scores,
        "searched": searched(evidence),
        "verdicts": verdicts(scores),
        "demo_notes": demo_notes(evidence),
        "headline_measure": HEADLINE,
        "measures": MEASURES,
        "explained": systems_explained(evidence),
        "systems_plot": systems_plot(scores) if scores.systems else None,
        "facets": facets(scores),
        "methods": METHODS,
        "directions": directions_explained(),
        "directions_verdict": directions_verdict(directions) if directions else "",
        "averages": AVERAGES,
        "cuts": CUTS,
        "training_plot": training_plot(evidence.losses),
        "loss": first_and_last(evidence.losses["loss"]) if evidence.losses and evidence.losses["loss"] else None,
        "samples": shown,
        "sample_videos": videos,
        "strips": strips_of(evidence, shown, videos),
        "mined": mined(evidence),
        "splits": splits(evidence),
        "breakdown": breakdown(evidence.test_videos()),
        "missing": missing(evidence),
        "not_shown": not_shown(evidence),
        "links": sum(link.maker is not None for link in evidence.lineage.links()),
        "broken_links": broken_links(evidence),
        "linked_lineage": stage_lineage(evidence, f"{LINEAGE}#stage-{{}}"),
        "models": models(evidence),
    }


def training_plot(losses: dict[str, list[float]] | None) -> Plot | None:
    """Loss, its parts where there are several, and learning rate over steps; None where nothing was trained."""
    if not losses or not losses["step"]:
        return None
    steps = [int(step) for step in losses["step"]]
    first, last = first_and_last(losses["loss"])
    curves = [(name.replace("_", " "), values) for name, values in losses.items() if name != "step"]
    alt = (
        f"Training loss over {steps[-1]} steps, from {numbers.decimals(first)} to {numbers.decimals(last)}, "
        f"and the {numbers.listed([name for name, _ in curves[1:]])}."
    )
    return curve_plot("training", steps, curves, alt)


def first_and_last(values: list[float]) -> tuple[float, float]:
    """Means of the first and of the last tenth: single batches say little."""
    tenth = max(1, len(values) // 10)
    return sum(values[:tenth]) / tenth, sum(values[-tenth:]) / tenth


def plots_of(parts: dict[str, Any]) -> list[Plot]:
    """Every plot on the page."""
    found = [parts["systems_plot"], *(facet.plot for facet in parts["facets"]), parts["training_plot"]]
    return [plot for plot in found if plot is not None]


def title_of(video: Video) -> str:
    """What a video is called: its title, else its caption, else nothing."""
    return numbers.shortened(video.title or video.caption or "", 120)


def render(parts: dict[str, Any], template: str = "page.html") -> str:
    """A whole page as HTML.

    What comes from a dataset is escaped; nothing is marked safe but our style sheet and the drawing of the lineage,
    which escapes what it writes.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update({name: getattr(numbers, name) for name in FILTERS})
    environment.filters["png"] = lambda content: data_uri(content, "image/png")
    environment.filters["title_of"] = title_of
    environment.filters["drawn"] = lambda graph: Markup(svg(graph, inline=True))  # noqa: S704
    style = Markup((HERE / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return environment.get_template(template).render(parts, style=style)
