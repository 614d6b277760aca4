"""One system's vectors of documents and queries, each kept in the item store.

Items are encoded one at a time. Then an item's bytes depend on nothing but itself, so that a run that was killed,
or found half its items in the store, gives the bytes of a clean one. It costs nothing for documents, whose sound
differs so much in length that a batch is mostly padding (16 at a time took 1.4 times as long on a CPU), and a few
milliseconds a query.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from tasks.omni import documents as room
from tasks.omni.documents import Document
from tasks.omni.encoding import encode_items
from tasks.omni.item import Item
from tasks.omni.prompt import QUERY_PREFIX
from tasks.omni.systems import load_system
from tasks.shared.artifacts.index import Encoding
from tasks.shared.artifacts.models import System
from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.engine import Job, Outcome, process
from tasks.shared.errors import UserError
from tasks.shared.failures import Failure
from tasks.shared.files import files_under, read_json, sha256_file, write_json
from tasks.shared.gpu import visible_gpus
from tasks.shared.items import ItemStore
from tasks.shared.progress import progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder

ITEM, TEXT = "vector.npy", "text.json"


@dataclass(frozen=True)
class TextRead:
    """An item's text as the model read it, cut to the limit, and how many tokens the whole of it has."""

    text: str | None
    tokens: int


@dataclass(frozen=True)
class Encoded:
    """A system's vectors in id order, the text read of every video, the failures, and the number of items reused."""

    videos: Vectors
    queries: Vectors
    texts: dict[str, TextRead]
    failures: list[Failure]
    reused: int


class Encoder:
    """Encodes with one system, whose weights are loaded only when the store lacks an item.

    Args:
        system: whose weights.
        encoding: its digest, type of numbers and limit of text.
        threads: of torch on the CPU.
        take_gpus: called before the weights are loaded.
    """

    def __init__(self, system: System, encoding: Encoding, threads: int, take_gpus: Callable[[], object]) -> None:
        self.system = system
        self.encoding = encoding
        self.threads = threads
        self.take_gpus = take_gpus
        self.store = ItemStore(
            "encode",
            {
                "weights": encoding.checkpoint,
                "dtype": encoding.dtype,
                "max_text_tokens": encoding.max_text_tokens,
                "query_prefix": QUERY_PREFIX,
                "threads": threads,
                "device": "cuda" if visible_gpus() else "cpu",
                "versions": [version(name) for name in ("torch", "transformers", "av", "pillow")],
                # the whole room: what decides a vector is spread over it, and a new file cannot be forgotten
                "code": [sha256_file(file) for file in files_under(Path(room.__file__).parent) if file.suffix == ".py"],
            },
        )

    def encode(self, documents: Collection[Document], queries: Mapping[str, str]) -> Encoded:
        """Vectors of documents, and of queries by their id.

        Raises UserError where the system cannot be loaded and for a query that cannot be encoded: without it no score
        is right. A document that cannot be encoded is a failure.
        """
        key = self.store.key
        videos = [Job(one.video_id, key("document", one.digest), one) for one in documents]
        questions = [Job(query_id, key("query", text), text) for query_id, text in queries.items()]
        model: SentenceTransformer | None = None

        def load() -> None:
            nonlocal model
            if model is None:
                self.take_gpus()
                torch.set_num_threads(self.threads)
                limit = self.encoding.max_text_tokens
                model = load_system(self.system, dtype=self.encoding.dtype, max_text_tokens=limit)

        def keep(item: Item, prompt: str | None, folder: Path) -> None:
            assert model is not None
            vector = encode_items(model, [item], batch_size=1, prompt=prompt)[0]
            if not np.isfinite(vector).all():
                raise ValueError("its vector is not finite")
            np.save(folder / ITEM, vector, allow_pickle=False)
            prompts = cast("OmniEmbedder", model[0]).prompt
            write_json(folder / TEXT, asdict(TextRead(*prompts.read(item.text)) if item.text else TextRead(None, 0)))

        name = self.system.name
        seen = process(
            f"encode {name}",
            self.store,
            videos,
            lambda one, folder: keep(one.load(), None, folder),
            workers=1,
            prepare=load,
        )
        asked = process(
            f"encode queries {name}",
            self.store,
            questions,
            lambda text, folder: keep(Item(text=text), QUERY_PREFIX, folder),
            workers=1,
            prepare=load,
            unit="query",
        )
        if asked.failures:
            first = asked.failures[0]
            raise UserError(f"query {first.video_id} cannot be encoded: {first.message}; mend or remove it")
        found = _vectors(seen, 0)
        entries = progress(seen.done.items(), "collect texts")
        texts = {video_id: TextRead(**read_json(entry / TEXT)) for video_id, entry in entries}
        return Encoded(found, _vectors(asked, found.values.shape[1]), texts, seen.failures, seen.reused + asked.reused)


def _vectors(outcome: Outcome, dimension: int) -> Vectors:
    """Finished items in id order; (0, dimension) where there is none."""
    ids = sorted(outcome.done)
    if not ids:
        return Vectors([], np.zeros((0, dimension), np.float32))
    entries = progress([outcome.done[one] for one in ids], "collect vectors", unit="vector")
    return Vectors(ids, np.stack([np.load(entry / ITEM, allow_pickle=False) for entry in entries]))
