"""params.yaml, typed and checked before any work: one section a stage, and three that stages share.

An unknown key, a missing key or a wrong type is one line that names the key. Sections that no stage reads are left to
those who read them: `flows` to flows/params.py.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from tasks.shared.artifacts.types import FUSIONS, MODALITIES, FusionMethod, Modality, TextField
from tasks.shared.runtime.errors import UserError

PARAMS_FILE = Path("params.yaml")

SETS = ("mine.modalities", "train.modalities", "encode.modalities")  # lists whose order means nothing


def _each_once(chosen: list[Modality]) -> list[Modality]:
    """The same in the order of `Modality`, so that no digest tells in which order they were written."""
    if twice := [one for one in MODALITIES if chosen.count(one) > 1]:
        raise PydanticCustomError("duplicate", "{twice} is there more than once; name it once", {"twice": twice[0]})
    return sorted(chosen, key=MODALITIES.index)


def _with_joint(chosen: list[FusionMethod]) -> list[FusionMethod]:
    """The same: nothing twice, and joint among them, which all others are compared with."""
    if twice := [one for one in FUSIONS if chosen.count(one) > 1]:
        raise PydanticCustomError("duplicate", "{twice} is there more than once; name it once", {"twice": twice[0]})
    if "joint" not in chosen:
        raise PydanticCustomError("no_joint", "joint is what the others are compared with; name it too")
    return chosen


Modalities = Annotated[list[Modality], Field(min_length=1), AfterValidator(_each_once)]


class Section(BaseModel):
    """A section of params.yaml: frozen, nothing unknown, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Sections = TypeVar("Sections", bound=Section)


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


class Objectives(Section):
    """Weights of what training learns, each defined in docs/objectives.md; 0: off."""

    query: float = Field(ge=0)  # InfoNCE from query to documents
    symmetric: float = Field(ge=0)  # and from document to queries
    tuple: float = Field(ge=0)  # Tuple-InfoNCE between two views of a document, one modality of negatives swapped
    teacher: float = Field(ge=0)  # a document whole teaches the same with one modality alone
    alignment: float = Field(ge=0)  # one modality of a document with another

    @property
    def of_views(self) -> list[str]:
        """Those above 0 that show documents in other ways than the queries' loss does."""
        return [name for name in ("tuple", "teacher", "alignment") if getattr(self, name)]


class Dropout(Section):
    """Rates, from 0 to 1, at which a document is shown without a modality that it has."""

    text: float = Field(ge=0, le=1)
    video: float = Field(ge=0, le=1)
    audio: float = Field(ge=0, le=1)


class Temperatures(Section):
    """Of a document shown with one modality alone; None: that of all."""

    text: float | None = Field(gt=0)
    video: float | None = Field(gt=0)
    audio: float | None = Field(gt=0)


class Train(Section):
    modalities: Modalities  # what training documents consist of
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)  # queries contrasted at a time, over all ranks
    accumulation_steps: int = Field(ge=1)  # the optimiser steps on the mean loss of so many batches
    mini_batch_size: int = Field(ge=1)  # what memory of one rank holds at once; the loss sees the whole batch
    negatives: int = Field(ge=0)
    max_query_tokens: int = Field(ge=1)  # the prefix counted
    temperature: float = Field(gt=0)
    learning_rate: float = Field(gt=0)
    warmup_ratio: float = Field(ge=0, le=1)
    lora_r: int = Field(ge=1)
    lora_alpha: int = Field(ge=1)
    lora_dropout: float = Field(ge=0, lt=1)
    dtype: Literal["float32", "bfloat16"]  # of the frozen weights and of what is computed; the adapter is in float32
    gradient_checkpointing: bool  # the language model's layers are computed again for their gradients, not remembered
    processes: int = Field(ge=1)  # ranks on this machine, each with a GPU of its own where there are any
    save_steps: int = Field(ge=1)
    objectives: Objectives
    tuple_negatives: list[Modality] = Field(min_length=1)  # what is swapped, batch after batch in this order
    view: float = Field(gt=0, le=1)  # part of every modality that the second view of a document keeps
    modality_dropout: Dropout
    temperatures: Temperatures
    false_negative_margin: float | None = Field(ge=-2, le=2)  # above the positive's cosine; what is beyond is left out
    hardness: float = Field(ge=0)  # how much more a negative weighs that scores high; 0: all weigh the same

    @field_validator("negatives")
    @classmethod
    def _something_to_tell_from(cls, negatives: int, info: ValidationInfo) -> int:
        if negatives == 0 and info.data.get("batch_size") == 1:
            raise ValueError("with train.batch_size = 1 no query has a negative, and nothing is learnt; raise either")
        return negatives

    @field_validator("processes")
    @classmethod
    def _something_for_each(cls, processes: int, info: ValidationInfo) -> int:
        if processes > (queries := info.data.get("batch_size", processes)):
            raise ValueError(f"with train.batch_size = {queries} there are ranks without a query; lower it")
        return processes

    @field_validator("objectives")
    @classmethod
    def _learnable(cls, objectives: Objectives, info: ValidationInfo) -> Objectives:
        weights = objectives.model_dump()
        if not any(weights.values()):
            raise ValueError("all weights are 0, and nothing is learnt; raise one, as query: 1.0")
        in_batch = [name for name, weight in weights.items() if weight and name != "query"]
        if in_batch and info.data.get("batch_size") == 1:
            raise ValueError(
                f"{in_batch[0]} tells rows of a batch from each other, or swaps modalities between them, and with "
                "train.batch_size = 1 there is one; raise it"
            )
        if objectives.of_views and len(info.data.get("modalities", MODALITIES)) == 1:
            raise ValueError(f"{objectives.of_views[0]} needs two of train.modalities; name another, or set it 0")
        if not weights["query"] and info.data.get("negatives"):
            raise ValueError("nobody is shown train.negatives without the objective query; set them 0")
        return objectives

    @field_validator("tuple_negatives")
    @classmethod
    def _something_to_swap(cls, swapped: list[Modality], info: ValidationInfo) -> list[Modality]:
        chosen, objectives = info.data.get("modalities", MODALITIES), info.data.get("objectives")
        if objectives is not None and objectives.tuple and not set(swapped) & set(chosen):
            raise ValueError(f"training documents have none of them (train.modalities: {', '.join(chosen)}); name one")
        return swapped


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
    fusion: Annotated[list[FusionMethod], AfterValidator(_with_joint)]  # how videos are ranked, side by side
    weights: Weights  # of fusion method weights


class Report(Section):
    sample_queries: int = Field(ge=1)
    results: int = Field(ge=1)


NO_STAGES = {"run", "document", "retriever"}  # sections that stages share
NOT_OF_STAGES = {"flows"}  # sections that no stage reads


class Params(Section):
    run: Run
    document: Document
    retriever: Retriever
    corpus: Corpus
    extract: Extract
    transcribe: Transcribe
    mine: Mine
    base: Base
    train: Train
    encode: Encode
    evaluate: Evaluate
    report: Report

    def section(self, dotted: str) -> Any:
        """The value at `train` or `run.seed`, as plain data."""
        value: Any = self.model_dump(mode="json")
        for key in dotted.split("."):
            value = value[key]
        return value


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml. Raises UserError that names the first wrong key and what is wrong with it."""
    return checked_params(read_params_file(path), str(path))


def read_params_file(path: Path = PARAMS_FILE) -> Any:
    """What a params.yaml holds, unchecked. Raises UserError where it is missing or not YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the project's root") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None


def checked_params(raw: Any, where: str) -> Params:
    """Params from what was read. Raises UserError that names the first wrong keys; `where` says of what."""
    of_stages = {key: raw[key] for key in raw if key not in NOT_OF_STAGES} if isinstance(raw, dict) else raw
    return checked(Params, of_stages, where)


def checked(sections: type[Sections], raw: Any, where: str) -> Sections:
    """Sections of params.yaml as a model has them, from what was read. Raises UserError, as `checked_params` does."""
    if not isinstance(raw, dict):
        raise UserError(f"{where}: expected sections, found {type(raw).__name__}")
    try:
        return sections.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{where}: {'; '.join(_explain(sections, one) for one in error.errors()[:3])}") from None


def as_read(value: Any, key: str = "") -> Any:
    """A params.yaml as it is written, or what it has at a dotted key, as stages read and record it.

    A list whose order means nothing is in the one order that `Params` gives it; all else stays.
    """
    if isinstance(value, dict):
        return {name: as_read(one, f"{key}.{name}" if key else name) for name, one in value.items()}
    if key in SETS and isinstance(value, list) and all(one in MODALITIES for one in value):
        return sorted(value, key=MODALITIES.index)
    return value


def _explain(sections: type[Section], problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}; {_meant(sections, problem['loc'])}"
    if problem["type"] == "missing":
        return f"{key} is missing; add it"
    hint = (
        "; write 0.0001 or 1.0e-4, not 1e-4" if problem["type"] == "float_type" and _exponent(problem["input"]) else ""
    )
    what = problem["msg"].removeprefix("Value error, ")
    return f"{key} = {problem['input']!r}: {what[0].lower()}{what[1:]}{hint}"


def _meant(sections: type[Section], location: tuple[str, ...]) -> str:
    section: Any = sections
    for name in location[:-1]:
        section = section.model_fields[name].annotation
    known = [*section.model_fields, *(NOT_OF_STAGES if section is Params else ())]
    close = get_close_matches(str(location[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else "remove it"


def _exponent(value: object) -> bool:
    """Whether a text is a number that YAML 1.1 does not read as one: an exponent without point or sign."""
    try:
        return isinstance(value, str) and isinstance(float(value), float)
    except ValueError:
        return False
