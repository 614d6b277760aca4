"""Files of a state that are as they were recorded: only of these does an event tell what they hold."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Artifact, Execution
from tasks.shared.artifacts import index
from tasks.shared.artifacts.publish import FILES, MANIFEST, read_outputs
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import CHUNK, sha256_file

if TYPE_CHECKING:
    import pyarrow as pa
    from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields as Field

INDEX = (index.FOLDER / index.DATABASE).as_posix()
CONTENT = (index.FOLDER / index.MANIFEST).as_posix()


@dataclass(frozen=True)
class Table:
    """How many rows a table has, and its columns; None where it names none."""

    rows: int
    fields: list[Field] | None


class Files:
    """The files of a state, checked. `remarks` says of every file that was asked for and cannot be used, why."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.remarks: list[str] = []
        self._digests: dict[str, str | None] = {}
        self._tables: dict[tuple[str, str], Table | None] = {}

    def place(self, path: str, sha256: str) -> Path | None:
        """Where a file lies; None where it is not to be had, or is not the one of this digest."""
        if path not in self._digests:
            self._digests[path] = self._digest(path)
        return self.lineage.root / path if self._digests[path] == sha256 else None

    def json(self, execution: Execution, path: Path) -> Any:
        """What a stage's JSON file says; None where it is not to be had."""
        found = execution.generated.get(path.as_posix())
        place = self.place(found.path, found.sha256) if found else None
        return json.loads(place.read_text(encoding="utf-8")) if place else None

    def outputs(self, execution: Execution) -> dict[str, Artifact]:
        """A stage's outputs, those of large folders included where their listing is to be had."""
        folder = RESULTS / execution.stage
        listing = execution.generated.get((folder / FILES).as_posix())
        if not execution.folders or listing is None or self.place(listing.path, listing.sha256) is None:
            return execution.generated
        self.lineage.need(folder / MANIFEST)
        listed = read_outputs(execution.stage, self.lineage.results)
        return {path: Artifact(path, one["sha256"], one["bytes"]) for path, one in listed.items()}

    def table(self, path: str | None, version: str | None) -> Table | None:
        """Rows and columns of a table of the results, or rows of the index; None of other files."""
        if path is None or version is None or not path.startswith(f"{RESULTS}/"):
            return None
        if (path, version) not in self._tables:
            known = path == INDEX or path.endswith((".parquet", ".csv", ".jsonl", ".trec"))
            place = self.place(CONTENT if path == INDEX else path, version) if known else None
            self._tables[path, version] = _table(place) if place else None
        return self._tables[path, version]

    def _digest(self, path: str) -> str | None:
        try:
            digest = sha256_file(self.lineage.need(path))
        except UserError as error:
            self.remarks.append(f"{path} cannot be read, so what it holds is left out: {error}")
            return None
        maker = self.lineage.executions.get(Path(path).parts[1])
        recorded = maker.generated.get(path) if maker else None
        if recorded and recorded.sha256 != digest:
            self.remarks.append(
                f"{path} is not as its manifest records it, so what it holds is left out; see `reeltrace audit verify`"
            )
        return digest


def _table(path: Path) -> Table:
    from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields

    if path.name == index.MANIFEST:
        return Table(index.read_index_manifest(path.parent).rows, None)
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as table:
            return Table(table.metadata.num_rows, [_field(one) for one in table.schema_arrow])
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            columns = [SchemaDatasetFacetFields(name) for name in next(rows, [])]
            return Table(sum(1 for _ in rows), columns)
    with path.open("rb") as stream:
        return Table(sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(CHUNK), b"")), None)


def _field(field: pa.Field) -> Field:
    """A column; what is nested in it as https://openlineage.io/docs/spec/facets/dataset-facets/schema shows it."""
    import pyarrow as pa
    from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields

    kind = field.type
    if pa.types.is_struct(kind):
        inner = [_field(kind.field(number)) for number in range(kind.num_fields)]
        return SchemaDatasetFacetFields(field.name, "struct", fields=inner)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return SchemaDatasetFacetFields(field.name, "array", fields=[_field(kind.value_field.with_name("_element"))])
    return SchemaDatasetFacetFields(field.name, str(kind))
