"""`python -m tasks.train`.

With `train.processes` above 1 it starts so many ranks on this machine and waits for them. On several machines, or
under a launcher that is there already, the ranks are started from outside, on every machine from a project folder and
item store ($REELTRACE_STORE) that all of them see:

    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 -m tasks.train
    accelerate launch --num_processes 8 -m tasks.train

Then the launcher decides how many there are, and `dvc commit train` records what rank 0 published.
"""

import sys

from tasks.shared.execution.params import load_params
from tasks.shared.execution.stage import main
from tasks.shared.runtime.errors import UserError
from tasks.train.ranks import Ranks, end_with_launcher
from tasks.train.run import run, run_worker
from tasks.train.training_set import COMPONENTS


def processes() -> int:
    """Ranks to start; 1 where params.yaml is wrong, which the stage reports."""
    try:
        return load_params().train.processes
    except UserError:
        return 1


if __name__ == "__main__":
    if Ranks.started():
        end_with_launcher()
        if (here := Ranks.here()).rank > 0:
            run_worker(here)
        else:
            main("train", run, components=COMPONENTS)
    elif (count := processes()) > 1:
        from tasks.train.launch import launch

        sys.exit(launch(count))
    else:
        main("train", run, components=COMPONENTS)
