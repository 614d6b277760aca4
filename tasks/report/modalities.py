"""What the model was shown of videos, in training and in the index, and how many had nothing of it."""

from __future__ import annotations

from tasks.report.evidence import Evidence
from tasks.report.numbers import counted, listed

COUNT = "without_chosen_modalities"


def trained_on(evidence: Evidence) -> str:
    """The modalities of training documents."""
    return listed(evidence.lineage.execution("train").params["train"]["modalities"])


def indexed_by(evidence: Evidence) -> str:
    """The modalities of indexed documents."""
    return listed(evidence.lineage.execution("encode").params["encode.modalities"])


def not_shown(evidence: Evidence) -> str:
    """A sentence on the training videos that had nothing to show; empty where there are none."""
    count = evidence.lineage.execution("train").counts[COUNT] if evidence.training.trained else 0
    has, was = ("has", "was") if count == 1 else ("have", "were")
    videos = counted(count, "training video")
    return (
        f"{videos} {has} nothing of what training shows ({trained_on(evidence)}) and {was} left out." if count else ""
    )


def not_indexed(evidence: Evidence) -> str:
    """A sentence on the test videos that had nothing to encode; empty where there are none."""
    count = evidence.lineage.execution("encode").counts[COUNT]
    has, is_ = ("has", "it is") if count == 1 else ("have", "they are")
    nothing = f"{counted(count, 'video')} {has} nothing of what was indexed ({indexed_by(evidence)})"
    return f"{nothing}: {is_} in no ranking of the embedder, and not found where relevant." if count else ""
