"""How much of a query a text says: the share of the query's words it has, rare words weighing more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from tasks.shared.retrieval.bm25 import words


def coverage(query: str, texts: Mapping[str, str]) -> dict[str, float]:
    """For every text's id, the weight of the query's words that it has over the weight of all of them, 0 to 1.

    Words are those of the BM25 index, each weighed once by Lucene's idf, log(1 + (n - df + 0.5) / (df + 0.5)) over
    these texts; a word that no text has weighs most, so a text cannot reach 1 by having only the query's small words.
    """
    wanted = set(words(query))
    having = {text_id: wanted.intersection(words(text)) for text_id, text in texts.items()}
    frequency = Counter(word for found in having.values() for word in found)
    weight = {word: math.log1p((len(texts) - frequency[word] + 0.5) / (frequency[word] + 0.5)) for word in wanted}
    whole = math.fsum(weight.values())
    return {
        text_id: math.fsum(weight[word] for word in sorted(found)) / whole if whole else 0.0
        for text_id, found in having.items()
    }
