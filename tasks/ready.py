"""Whether everything that params name is available, checked before any work: by `reeltrace ready` and by every flow.

Of models only small files are fetched (configurations, tokenizers, an adapter), not their weights. A gated repository
without access, an unknown revision or an adapter that fits nothing is one line here, not an error after a day of
decoding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.shared.execution.params import Params
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.gpu import visible_gpus
from tasks.shared.runtime.hub import fetch
from tasks.shared.runtime.models import resolve_model

CORPUS = "corpus"


@dataclass(frozen=True)
class Check:
    """One thing that is needed: what for, its name, and what is wrong with it, if anything."""

    what: str
    name: str
    error: UserError | None = None


def look(params: Params) -> list[Check]:
    """Look at the corpus's directory, every model and the GPUs, in the order in which stages need them."""
    needs: list[tuple[str, str, Callable[[], None]]] = [(CORPUS, params.corpus.path, lambda: _corpus(params))]
    if params.transcribe.source == "whisper":
        needs.append(("speech recogniser", params.transcribe.model, lambda: _transcribe(params)))
    needs.append(("text retriever", params.retriever.model, lambda: _retriever(params)))
    if params.base.source == "pretrained":
        names = [params.base.model, params.base.processor, params.base.adapter]
        needs.append(("omni embedder", ", ".join(filter(None, names)), lambda: _base(params)))
    needs.append(
        ("processes", f"train {params.train.processes}, encode {params.encode.processes}", lambda: _gpus(params))
    )
    return [_looked(what, name, check) for what, name, check in needs]


def require(params: Params) -> None:
    """Raise the UserError of the first model, or number of GPUs, that is not available. Not that of the corpus: its
    stage, one of the first, says more."""
    for one in look(params):
        if one.error and one.what != CORPUS:
            raise one.error


def _looked(what: str, name: str, check: Callable[[], None]) -> Check:
    try:
        check()
    except UserError as error:
        return Check(what, name, error)
    return Check(what, name)


def _corpus(params: Params) -> None:
    if not Path(params.corpus.path).is_dir():
        raise UserError(f"corpus.path = {params.corpus.path} is no directory; set it to that of the videos")


def _transcribe(params: Params) -> None:
    model = resolve_model(params.transcribe.model, params.transcribe.revision, "transcribe")
    if fetch(model.location, model.revision, "config.json") is None:
        raise UserError(f"transcribe.model: {model.name} has no config.json; name a faster-whisper model")


def _retriever(params: Params) -> None:
    from tasks.shared.retrieval.dense import DenseRetriever

    DenseRetriever(params.retriever, params.run.threads, lambda: None)


def _base(params: Params) -> None:
    from tasks.omni.loading import check_base
    from tasks.shared.artifacts.models import named_base

    check_base(named_base(params.base.model_dump()))


def _gpus(params: Params) -> None:
    there = len(visible_gpus())
    for stage, wanted in (("train", params.train.processes), ("encode", params.encode.processes)):
        if there and wanted > there:
            raise UserError(
                f"{stage}.processes = {wanted}, and there are {there} GPUs here; set it to {there} or fewer"
            )


def as_table(found: list[Check]) -> str:
    """What was looked at, a line each."""
    return "\n".join(f"{'no' if one.error else 'ok':<4}{one.what:<20}{one.name}" for one in found)
