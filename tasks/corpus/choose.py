"""Point params.yaml at a directory of videos, its comments kept: `python -m tasks.corpus.choose DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from tasks.shared.execution.params import PARAMS_FILE, load_params
from tasks.shared.execution.params_file import change_params
from tasks.shared.runtime.errors import UserError


def choose(directory: str, params_file: Path = PARAMS_FILE) -> None:
    """Set `corpus.source` to folder and `corpus.path` to a directory. Raises UserError where there is none."""
    if not directory or not Path(directory).is_dir():
        raise UserError(f"no directory {directory}; name one that holds videos")
    load_params(params_file)  # a file that is wrong already is not touched
    change_params({"corpus.source": "folder", "corpus.path": directory}, params_file)


if __name__ == "__main__":
    try:
        choose(sys.argv[1] if len(sys.argv) > 1 else "")
    except UserError as error:
        print(f"corpus: {error}", file=sys.stderr)
        sys.exit(2)
