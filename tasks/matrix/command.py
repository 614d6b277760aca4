"""`reeltrace matrix`: the modality transfer matrix from the experiments of a finished grid."""

from __future__ import annotations

import argparse
from pathlib import Path

NAMES = ("matrix.md", "matrix.csv", "matrix.png")


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser, with what runs it: a function of what was given, to an exit code."""
    parser = commands.add_parser(
        "matrix",
        help="what training and inference modalities are worth, from a finished grid",
        description="Collect the DVC experiments of a grid of train.modalities x encode.modalities: a table, a heat "
        "map, and what they say of the published claims.",
        epilog="The grid is run by the deployment experiments/modalities, or by `python -m flows.experiments`.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help=f"where to write {', '.join(NAMES)}")
    parser.add_argument("--rev", default="HEAD", metavar="REV", help="the commit that the grid ran at (default: HEAD)")
    parser.set_defaults(run=_matrix)


def _matrix(chosen: argparse.Namespace) -> int:
    from tasks.matrix.claims import claims
    from tasks.matrix.matrix import cells_of, matrix_of
    from tasks.matrix.pages import as_csv, as_markdown, heat_map
    from tasks.shared.runtime import git
    from tasks.shared.runtime.files import atomically, write_text

    cells, params = cells_of(chosen.rev)
    matrix = matrix_of(cells, params.evaluate.bootstrap, params.run.seed)
    page = as_markdown(matrix, claims(matrix), git.commit_of(chosen.rev))
    picture = heat_map(matrix)
    write_text(chosen.folder / NAMES[0], page)
    write_text(chosen.folder / NAMES[1], as_csv(matrix, cells))
    atomically(chosen.folder / NAMES[2], lambda path: path.write_bytes(picture))
    print(page, end="")
    return 0
