"""What one system has to encode: documents, queries and views, as items of the store. No model is loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING

from tasks.omni.document import Document
from tasks.omni.prompt import QUERY_PREFIX
from tasks.shared.artifacts.index import Encoding
from tasks.shared.execution.items import ItemStore
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.runtime.gpu import visible_gpus

if TYPE_CHECKING:
    from tasks.shared.artifacts.models import System
    from tasks.shared.execution.params import Params

QUERY = "query"  # marks a query's id among video ids, which have no slash; a view's name marks that of a view
NO_VIEWS: Mapping[str, Collection[Document]] = MappingProxyType({})


@dataclass(frozen=True)
class EncodePlan:
    """The items of one system, and by view and video id the document's digest and the item that encodes it."""

    plan: Plan[Document | str]
    views: dict[str, dict[str, tuple[str, str]]]


def plan_encoding(
    encoding: Encoding,
    threads: int,
    documents: Collection[Document],
    queries: Mapping[str, str],
    views: Mapping[str, Collection[Document]] = NO_VIEWS,
) -> EncodePlan:
    """The items that one system makes of documents, of queries by id, and of further documents of the videos by view.
    What a view shows of a video may be all that its document has: then it is one item. Threads are torch's on the CPU,
    which decide the last bits."""
    decides = {
        "weights": encoding.checkpoint,
        "dtype": encoding.dtype,
        "query_prefix": QUERY_PREFIX,
        "threads": threads,
        "device": "cuda" if visible_gpus() else "cpu",
        "versions": [version(name) for name in ("torch", "transformers", "av", "pillow")],
    }
    store = ItemStore("encode", "tasks.omni.encode_item", decides)
    limits = (str(encoding.max_text_tokens), encoding.text_cut)
    query_limits = (str(encoding.max_query_tokens), encoding.text_cut)

    def item(name: str, document: Document) -> Item[Document | str]:
        return Item(name, store.key("document", document.digest, *limits), document)

    items: list[Item[Document | str]] = [
        Item(marked(QUERY, one), store.key("query", text, *query_limits), text) for one, text in queries.items()
    ]
    items += [item(one.video_id, one) for one in documents]
    known = {(one.video_id, one.digest): one.video_id for one in documents}
    shown: dict[str, dict[str, tuple[str, str]]] = {}
    for view, some in views.items():
        fresh = [one for one in some if (one.video_id, one.digest) not in known]
        items += [item(marked(view, one.video_id), one) for one in fresh]
        known |= {(one.video_id, one.digest): marked(view, one.video_id) for one in fresh}
        shown[view] = {one.video_id: (one.digest, known[one.video_id, one.digest]) for one in some}
    return EncodePlan(Plan(store, items, "vector"), shown)


def encoding_of(system: System, params: Params, max_query_tokens: int) -> Encoding:
    """How a system encodes documents and queries with these params."""
    return Encoding(
        system=system.name,
        checkpoint=system.digest(),
        dtype=params.encode.dtype,
        max_text_tokens=params.document.max_text_tokens,
        max_query_tokens=max_query_tokens,
        text_cut=params.document.cut,
    )


def marked(kind: str, name: str) -> str:
    """The id of a query's item, or of a view's."""
    return f"{kind}/{name}"
