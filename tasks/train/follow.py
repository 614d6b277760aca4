"""The program of every rank but the first: it takes part in the training that rank 0 says, and reports nothing."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from tasks.shared.artifacts.negatives import read_negatives
from tasks.shared.execution.params import load_params
from tasks.shared.execution.pipeline import read_stages
from tasks.shared.execution.stage import limit_threads
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.gpu import gpus
from tasks.shared.runtime.progress import PLACE
from tasks.train.lesson import checkpoints, read_lesson, trainings
from tasks.train.ranks import Ranks


def follow(ranks: Ranks) -> None:
    """Run to the end: exit 0, or one line on standard error and a code, as a stage's program has them."""
    os.environ.pop(PLACE, None)
    try:
        _take_part(ranks)
    except UserError as error:
        print(f"train: rank {ranks.rank}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _take_part(ranks: Ranks) -> None:
    params = load_params()
    limit_threads(params.run.threads)
    if (plan := ranks.hear()) is None:
        return
    lesson = read_lesson(params, read_negatives())
    key = trainings(params, read_stages(params)["train"].params, ranks.count).key(lesson.digest())
    if key != plan["key"]:
        raise UserError("reads other params, data or code than rank 0; let every machine see the same project folder")
    from tasks.train.learn import learn

    with ExitStack() as until_end:
        device = ranks.device(lambda count: until_end.enter_context(gpus("train", count)))
        learn(
            lesson, params, checkpoints(key), plan["checkpoint"], ranks=ranks, device=device, tracker=None
        )  # fmt: skip
