"""Point params.yaml at a directory of videos, its comments kept: `python -m tasks.corpus.choose DIR`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.shared.errors import UserError
from tasks.shared.params import PARAMS_FILE, load_params


def choose(directory: str, params_file: Path = PARAMS_FILE) -> None:
    """Set `corpus.source` to folder and `corpus.path` to a directory. Raises UserError where there is none."""
    if not directory or not Path(directory).is_dir():
        raise UserError(f"no directory {directory}; name one that holds videos")
    load_params(params_file)  # a file that is wrong already is not touched
    round_trip = YAML()  # keeps comments, and builds no objects
    round_trip.preserve_quotes = True
    round_trip.width = 200
    round_trip.representer.add_representer(type(None), _null)
    params = round_trip.load(params_file)
    params["corpus"].update(source="folder", path=directory)
    round_trip.dump(params, params_file)


def _null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


if __name__ == "__main__":
    try:
        choose(sys.argv[1] if len(sys.argv) > 1 else "")
    except UserError as error:
        print(f"corpus: {error}", file=sys.stderr)
        sys.exit(2)
