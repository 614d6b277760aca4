"""What is shown otherwise than as it is, counted before it is learnt and recorded after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.shared.artifacts.exposures import Alteration, Altered
from tasks.shared.artifacts.types import Modality
from tasks.shared.runtime.errors import UserError
from tasks.train.batches import judged_batches
from tasks.train.rows import Row
from tasks.train.views import Views

if TYPE_CHECKING:
    from tasks.shared.execution.params import Params
    from tasks.train.lesson import Lesson


def account(lesson: Lesson, params: Params) -> dict[str, int]:
    """Counts of what the objectives beside the queries' loss have to learn from; none where they are off.

    Batches of one row are told on standard output. Raises UserError where all batches are.
    """
    settings = params.train
    others = [name for name, weight in settings.objectives if weight and name != "query"]
    if not others:
        return {}
    batches = judged_batches(lesson.rows, lesson.positives, settings.batch_size, settings.epochs, params.run.seed)
    alone = sum(len(batch) == 1 for batch in batches)
    if alone == len(batches):
        raise UserError(
            f"train.objectives.{others[0]} needs two rows in a batch, and no batch has them: all queries share their "
            "positives, or there is one; judge more videos or set it 0"
        )
    if alone:
        print(f"train: {alone} of {len(batches)} batches have one row, from which {', '.join(others)} learn nothing")
    counts = {"batches_of_one": alone}
    views = lesson.views(params)
    plans = [views.plan(number, [lesson.rows[one] for one in batch]) for number, batch in enumerate(batches)]
    if settings.objectives.tuple:
        found = [partner is not None for plan in plans for partner in plan.partners]
        counts |= {"tuple_negatives": sum(found), "without_tuple_negative": len(found) - sum(found)}
    if settings.objectives.teacher or settings.objectives.alignment:
        lacking = sum(len(places) for plan in plans for places in plan.lacking.values())
        shown = 2 * sum(map(len, batches)) - lacking
        counts |= {"shown_with_one_modality": shown, "lacked_that_modality": lacking}
    return counts


def altered(
    views: Views, rows: Sequence[Row], batches: Sequence[Sequence[int]], accumulation_steps: int
) -> list[Altered]:
    """Tuple negatives, and passages that were shown without a modality.

    Args:
        views: of the training, as all that follows.
        rows: that batches have the numbers of.
        batches: in order.
        accumulation_steps: so many batches are one step of the optimiser.
    """
    steps: dict[tuple[str, str, Alteration, Modality, str | None], list[int]] = defaultdict(list)
    for number, batch in enumerate(batches):
        step = number // accumulation_steps + 1
        shown = [rows[one] for one in batch]
        plan = views.plan(number, shown)
        for row, other in zip(shown, plan.partners, strict=False):
            if plan.swapped and other is not None:
                steps[row.positive, row.query_id, "swapped", plan.swapped, shown[other].positive].append(step)
        if not views.drops:
            continue
        for place, row in enumerate(shown):
            for column, video_id in enumerate((row.positive, *row.negatives)):
                kept = views.kept(number, place, column, video_id)
                for modality in views.contents[video_id]:
                    if modality not in kept:
                        steps[video_id, row.query_id, "dropped", modality, None].append(step)
    return [Altered(*key, steps[key]) for key in steps]
