"""A rank of trainings of a moment, one after the other: `python -m tests.train.ranks_job FOLDER VARIANT...`.

The environment numbers it, as torchrun does.
"""

import sys
from pathlib import Path
from typing import Any

from tasks.train.ranks import Ranks
from tests.train.small import EVERYTHING, train

VARIANTS: dict[str, dict[str, Any]] = {
    "cached": {"mini_batch_size": 2},
    "remembered": {"mini_batch_size": 99},
    "accumulated": {"mini_batch_size": 3, "accumulation_steps": 3},
    "checkpointed": {"mini_batch_size": 2, "gradient_checkpointing": True, "accumulation_steps": 2},
    "bfloat16": {"dtype": "bfloat16"},
    "everything": EVERYTHING,
}

if __name__ == "__main__":
    here = Ranks.here()
    with here.group("cpu"):
        for name in sys.argv[2:]:
            train(Path(sys.argv[1]) / name, here, **VARIANTS[name])
    sys.stdout.write(f"{here.count}\n")  # whole, in one go: print would mix with other ranks between word and line end
