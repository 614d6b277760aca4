"""The scores as tables of plain text."""

from __future__ import annotations

from tasks.shared.artifacts.directions import AVERAGES, CUTS, DIRECTIONS, FIRST, Directions
from tasks.shared.artifacts.fusion import Fusion
from tasks.shared.artifacts.scores import HEADLINE, MEASURES, Scores

CUTS_AFTER = [name for name in CUTS if name != FIRST]


def table(scores: Scores) -> str:
    """A row a system: means, the interval of nDCG@10, and tuned's lead over it with Holm's p."""
    rows = [["system", HEADLINE, "95 % interval", *MEASURES[1:], "tuned leads by", "p (Holm)"]]
    for name, values in scores.systems.items():
        low, high = scores.intervals[name][HEADLINE]
        test = scores.tests.get(name)
        rows.append(
            [
                name,
                f"{values[HEADLINE]:.3f}",
                f"{low:.3f} - {high:.3f}",
                *(f"{values[measure]:.3f}" for measure in MEASURES[1:]),
                f"{test.difference:+.3f}" if test else "",
                f"{test.p_holm:.4f}" if test else "",
            ]
        )
    return _table(f"{scores.queries} test queries over {scores.videos} videos", rows)


def directions_table(found: Directions) -> str:
    """A row a direction and average: for every system R@1 with its interval, R@5 and R@10; then tuned's lead."""
    rows = [
        ["direction", *(head for system in found.systems for head in (f"{system} R@1", "95 % interval", *CUTS_AFTER))]
    ]
    for name in (*DIRECTIONS, *AVERAGES):
        row = [name]
        for system, of in found.systems.items():
            low, high = found.intervals[system][name]
            first, *others = (of[name][measure] for measure in CUTS)
            row += [f"{first:.3f}", f"{low:.3f} - {high:.3f}", *(f"{one:.3f}" for one in others)]
        rows.append(row)
    lead = found.lead
    lead_in_words = f"\n\ntuned leads by {lead.difference:+.3f} in R@1 of AVG-all, p {lead.p:.4f}" if lead else ""
    return _table(f"any to any: {found.documents} test videos with text, picture and sound", rows) + lead_in_words


def fusion_table(found: Fusion) -> str:
    """A row a system and method: nDCG@10 with its interval, the lead over the joint vector, and the mean weights."""
    rows = [["system", "fusion", HEADLINE, "95 % interval", "leads joint by", "p (Holm)", *found.modalities]]
    for system, of_system in found.systems.items():
        for method, values in of_system.items():
            low, high = found.intervals[system][method]
            test = found.tests[system].get(method)
            weights = found.weights[system].get(method, {})
            rows.append(
                [
                    system,
                    method,
                    f"{values[HEADLINE]:.3f}",
                    f"{low:.3f} - {high:.3f}",
                    f"{test.difference:+.3f}" if test else "",
                    f"{test.p_holm:.4f}" if test else "",
                    *(f"{weights[one]:.2f}" if weights else "" for one in found.modalities),
                ]
            )
    notes = "".join(f"\n{system}: {note}" for system, note in found.notes.items())
    return _table("fusion at search time, and the mean weight of every modality", rows) + notes


def _table(title: str, rows: list[list[str]]) -> str:
    """Rows below their head, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(one.rjust(width) for one, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join([title, "", lines[0].rstrip(), "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])])
