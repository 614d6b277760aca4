"""Search in a published index. It is exact: every vector is compared, none is left out by approximation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tasks.shared.artifacts.index import DATABASE, FOLDER, METRIC, PAYLOAD, TABLE, Hit, read_index_manifest
from tasks.shared.artifacts.models import System, systems
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from lancedb.query import LanceVectorQueryBuilder
    from lancedb.table import Table


class Index:
    """A published index, open for search. Raises UserError where the table is missing or has other rows than its
    manifest says."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder, self.manifest = folder, read_index_manifest(folder)
        self._table = _open(folder / DATABASE)
        rows = self._table.count_rows()
        if rows != self.manifest.rows:
            raise UserError(
                f"{folder / DATABASE} has {rows} rows and its manifest {self.manifest.rows}; restore it with "
                "`dvc checkout`, or make it again with `dvc repro -f encode`"
            )

    def search(self, query: np.ndarray, k: int, filters: Mapping[str, str | None] | None = None) -> list[Hit]:
        """The k videos with the highest inner product with the query, float32 (dimension,), of length 1; best first,
        equal scores by id, descending. `filters` has by column (`FILTERS`) the value a video must have; None does not
        filter. Raises UserError for a query of another dimension or a value that no video has."""
        from lancedb.expr import col, lit

        if query.shape != (self.manifest.dimension,):
            raise UserError(f"the index has {self.manifest.dimension} dimensions, the query {query.shape[-1]}")
        search = cast("LanceVectorQueryBuilder", self._table.search(query, vector_column_name="vector"))
        search = search.distance_type(METRIC).bypass_vector_index().limit(k)
        wanted = {name: value for name, value in (filters or {}).items() if value is not None}
        self.check(wanted)
        conditions = [col(name) == lit(value) for name, value in wanted.items()]
        if conditions:
            search = search.where(reduce(and_, conditions), prefilter=True)
        found = search.select([*PAYLOAD.names, "_distance"]).to_arrow().to_pylist()
        scored = [(1.0 - row.pop("_distance"), row) for row in found]  # Lance's distance is 1 - inner product
        scored.sort(key=lambda pair: (pair[0], pair[1]["video_id"]), reverse=True)
        return [Hit(similarity=score, **row) for score, row in scored]

    def check(self, filters: Mapping[str, str]) -> None:
        """Raise UserError for a filter on a value that no video of the index has."""
        for name, value in filters.items():
            present = self.manifest.filters[name]
            if value not in present:
                there = ", ".join(f"{one} ({count})" for one, count in present.items()) or "none at all"
                raise UserError(f"no video has {name.replace('_', ' ')} {value!r}; there are: {there}")

    def system(self) -> System:
        """The system that made the vectors, from the artifacts base and train beside the index. Raises UserError where
        these hold other weights."""
        root, encoding = self.folder.parent, self.manifest.encoding
        for system in systems(root):
            if system.name == encoding.system and system.digest() == encoding.checkpoint:
                return system
        raise UserError(
            f"the index in {self.folder} was made by another model than {root / 'base'} and {root / 'train'} hold; "
            "run `dvc repro encode`"
        )


def _open(database: Path) -> Table:
    import lancedb

    if not (database / f"{TABLE}.lance").is_dir():
        raise UserError(f"{database} has no table {TABLE}; restore it with `dvc checkout` or `dvc repro`")
    try:
        return lancedb.connect(str(database)).open_table(TABLE)
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{database} cannot be opened ({reason}); make it again with `dvc repro -f encode`") from None
