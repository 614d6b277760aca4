"""The sections of params.yaml but train's (`params_train`): the params of each stage, and those that stages share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from tasks.shared.artifacts.types import MODALITIES, FusionMethod, Modality, TextField


def _no_duplicate(chosen: list[Any]) -> list[Any]:
    if twice := [one for one in chosen if chosen.count(one) > 1]:
        raise PydanticCustomError("duplicate", "{twice} is there more than once; name it once", {"twice": twice[0]})
    return chosen


def _with_joint(chosen: list[FusionMethod]) -> list[FusionMethod]:
    if "joint" not in chosen:
        raise PydanticCustomError("no_joint", "joint is what the others are compared with; name it too")
    return chosen


Modalities = Annotated[  # in one order, so that digests do not depend on that in params.yaml
    list[Modality],
    Field(min_length=1),
    AfterValidator(_no_duplicate),
    AfterValidator(lambda chosen: sorted(chosen, key=MODALITIES.index)),
]


class Section(BaseModel):
    """A section of params.yaml: frozen, nothing unknown, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Run(Section):
    """What every stage obeys."""

    profile: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]  # that these params were chosen by
    seed: int
    threads: int = Field(ge=1)  # of torch, BLAS and Whisper; part of what decides the bytes
    workers: int = Field(ge=1)  # processes for decoding
    max_failed_fraction: float = Field(ge=0, le=1)


class Document(Section):
    """The text of a document: the text baselines read the same as the model."""

    train_text: list[TextField] = Field(min_length=1)  # fields of training documents, in this order
    test_text: list[TextField] = Field(min_length=1)  # of indexed documents
    max_text_tokens: int = Field(ge=1)  # of the text part alone
    cut: Literal["end", "fields"]  # of what is longer: its end, or of every long field its share


class Retriever(Section):
    """The text retriever that mines negatives and is the dense baseline."""

    model: str
    revision: str | None
    query_prompt: str
    document_prompt: str
    dimensions: int | None  # Matryoshka truncation
    trust_remote_code: bool  # where revision pins it: a commit, or what `Model.digest` says of a directory
    dtype: Literal["float32", "bfloat16"]  # of weights; pooling, vectors and scores are float32


class Corpus(Section):
    source: Literal["demo", "folder", "multivent", "omniretriever"]
    path: str  # what the source reads; DVC watches it
    train_events: int = Field(ge=1)  # demo only
    test_events: int = Field(ge=1)  # demo only


class Extract(Section):
    frames: int = Field(ge=1)
    size: int = Field(ge=28, multiple_of=28)  # pixels a side; the vision tower merges 28 x 28 into a token
    format: Literal["png", "jpeg"]
    max_audio_seconds: int = Field(ge=1)


class Transcribe(Section):
    source: Literal["whisper", "shipped"]  # shipped: what lies beside the videos; no model is loaded
    ocr: Literal["none", "shipped", "rapidocr"]  # where on-screen text comes from
    model: str
    revision: str | None
    language: str | None  # None: detected for each video
    compute_type: str
    beam_size: int = Field(ge=1)


class Mine(Section):
    source: Literal["dense", "bm25", "random", "omni"]
    modalities: Modalities  # what source omni reads of a video; the others read its transcript, or nothing
    depth: int = Field(ge=1)
    keep: int = Field(ge=0)
    relative_margin: float | None = Field(ge=0, le=1)  # drop what scores above (1 - margin) of the weakest positive


class Base(Section):
    source: Literal["tiny", "pretrained"]
    model: str | None  # pretrained: hub id or directory
    revision: str | None
    processor: str | None  # pretrained: where the tokenizer is; None: beside the model
    processor_revision: str | None
    adapter: str | None  # pretrained: a published adapter to start from
    adapter_revision: str | None
    steps: int = Field(ge=1)  # tiny only, as all that follows
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    temperature: float = Field(gt=0)


class Encode(Section):
    modalities: Modalities  # what indexed documents consist of
    max_query_tokens: int = Field(ge=1)  # the prefix counted
    dtype: Literal["float32", "bfloat16"]  # of weights and sums; vectors are written in float32
    processes: int = Field(ge=1)  # each with run.threads, and on a GPU of its own where there are any; decides no byte


class Weights(Section):
    """Of modalities; they need not sum to 1."""

    text: float = Field(ge=0)
    video: float = Field(ge=0)
    audio: float = Field(ge=0)


class Evaluate(Section):
    depth: int = Field(ge=100)  # ranks kept in a run
    bootstrap: int = Field(ge=100)
    permutations: int = Field(ge=100)
    directions: bool  # whether text, video and audio of a video are to find each other; costs six encodings of it
    # how videos are ranked, side by side
    fusion: Annotated[list[FusionMethod], AfterValidator(_no_duplicate), AfterValidator(_with_joint)]
    weights: Weights  # of fusion method weights


class Report(Section):
    sample_queries: int = Field(ge=1)
    results: int = Field(ge=1)
