"""One query as a vector, with no more imported than a Thinker needs.

`load_embedder` gives the same vectors for everything; importing sentence-transformers, with the trainers and
scikit-learn that it imports, takes longer than answering a query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from tasks.omni.batches import Layout, batch_of_items
from tasks.omni.inputs import Item
from tasks.omni.lora import load_adapter
from tasks.omni.pretrained import check_thinker, open_thinker
from tasks.omni.prompt import QUERY_PREFIX, Prompt, TextLimit

if TYPE_CHECKING:
    import numpy as np

    from tasks.shared.artifacts.index import Encoding
    from tasks.shared.artifacts.models import System


def query_vector(words: str, system: System, encoding: Encoding) -> np.ndarray:
    """A query's vector, float32 (dimension,), of length 1. Raises UserError where the system cannot be had."""
    source = (system.model, system.revision, system.processor, system.processor_revision)
    check_thinker(*source)
    opened, tokenizer = open_thinker(*source, model_kwargs={"dtype": encoding.dtype})
    thinker: Any = opened  # its submodules are typed as tensors otherwise
    if system.adapter is not None:
        load_adapter(thinker, system.adapter, system.adapter_revision, merge=True)
    limit = TextLimit(encoding.max_query_tokens, encoding.text_cut)
    layout = Layout(Prompt(tokenizer), QUERY_PREFIX, limit, thinker.config.position_id_per_seconds)
    batch = batch_of_items([Item(text=words)], layout, max_audio_seconds=0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    thinker.eval().to(device)
    embed: Any = thinker.get_input_embeddings()
    with torch.inference_mode():
        output = thinker.language_model(
            inputs_embeds=embed(batch["input_ids"].to(device)),
            attention_mask=batch["attention_mask"].to(device),
            position_ids=batch["position_ids"].transpose(0, 1).to(device),
            use_cache=False,
        )
        vector = torch.nn.functional.normalize(output.last_hidden_state[0, -1], dim=0)
    return vector.float().cpu().numpy()
