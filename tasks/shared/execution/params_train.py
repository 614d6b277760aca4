"""The section of params.yaml that training obeys, and what of it goes together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from tasks.shared.artifacts.types import MODALITIES, Modality
from tasks.shared.execution.params_sections import Modalities, Section


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
            raise ValueError("train.negatives are shown for the objective query alone, whose weight is 0; set them 0")
        return objectives

    @field_validator("tuple_negatives")
    @classmethod
    def _something_to_swap(cls, swapped: list[Modality], info: ValidationInfo) -> list[Modality]:
        chosen, objectives = info.data.get("modalities", MODALITIES), info.data.get("objectives")
        if objectives is not None and objectives.tuple and not set(swapped) & set(chosen):
            raise ValueError(f"training documents have none of them (train.modalities: {', '.join(chosen)}); name one")
        return swapped
