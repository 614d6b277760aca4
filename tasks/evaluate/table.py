"""The scores as tables of plain text."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.shared.artifacts.directions import AVERAGES, CUTS, DIRECTIONS, FIRST, Directions
from tasks.shared.artifacts.fusion import Comparison, Fusion
from tasks.shared.artifacts.scores import HEADLINE, MEASURES, Scores

CUTS_AFTER = [name for name in CUTS if name != FIRST]


def table(scores: Scores) -> str:
    """A row a system: means, the interval of nDCG@10, and tuned's lead over it with Holm's p."""
    rows = [["system", HEADLINE, "95 % interval", *MEASURES[1:], "tuned leads by", "p (Holm)"]]
    for name, values in scores.systems.items():
        first, *others = (f"{values[measure]:.3f}" for measure in MEASURES)
        rows.append([name, first, _range(scores.intervals[name][HEADLINE]), *others, *_lead(scores.tests.get(name))])
    return _table(f"{scores.queries} test queries over {scores.videos} videos", rows)


def directions_table(found: Directions) -> str:
    """A row a direction and average: for every system R@1 with its interval, R@5 and R@10; then tuned's lead."""
    heads = [head for system in found.systems for head in (f"{system} {FIRST}", "95 % interval", *CUTS_AFTER)]
    rows = [["direction", *heads]]
    for name in (*DIRECTIONS, *AVERAGES):
        row = [name]
        for system, of in found.systems.items():
            first, *others = (f"{of[name][measure]:.3f}" for measure in CUTS)
            row += [first, _range(found.intervals[system][name]), *others]
        rows.append(row)
    lead = found.lead
    lead_in_words = f"\n\ntuned leads by {lead.difference:+.3f} in R@1 of AVG-all, p {lead.p:.4f}" if lead else ""
    return _table(f"any to any: {found.documents} test videos with text, picture and sound", rows) + lead_in_words


def fusion_table(found: Fusion) -> str:
    """A row a system and method: nDCG@10 with its interval, the lead over the joint vector, and the mean weights."""
    rows = [["system", "fusion", HEADLINE, "95 % interval", "leads joint by", "p (Holm)", *found.modalities]]
    for system, of_system in found.systems.items():
        for method, values in of_system.items():
            weights = found.weights[system].get(method, {})
            shares = [f"{weights[one]:.2f}" if weights else "" for one in found.modalities]
            interval = _range(found.intervals[system][method])
            lead = _lead(found.tests[system].get(method))
            rows.append([system, method, f"{values[HEADLINE]:.3f}", interval, *lead, *shares])
    notes = "".join(f"\n{system}: {note}" for system, note in found.notes.items())
    return _table("fusion at search time, and the mean weight of every modality", rows) + notes


def _range(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{low:.3f} - {high:.3f}"


def _lead(test: Comparison | None) -> tuple[str, str]:
    return (f"{test.difference:+.3f}", f"{test.p_holm:.4f}") if test else ("", "")


def _table(title: str, rows: list[list[str]]) -> str:
    """Rows below their head, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(one.rjust(width) for one, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells))
    return "\n".join([title, "", lines[0].rstrip(), "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])])
