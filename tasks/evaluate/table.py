"""The scores as a table of plain text."""

from __future__ import annotations

from tasks.shared.artifacts.scores import HEADLINE, MEASURES, Scores


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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(one.rjust(width) for one, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    title = f"{scores.queries} test queries over {scores.videos} videos"
    return "\n".join([title, "", lines[0].rstrip(), "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])])
