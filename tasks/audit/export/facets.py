"""A version of a dataset in OpenLineage's classes: what it is, how large, and of a table the rows and columns."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from openlineage.client import facet_v2 as facets
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields as Column

from tasks.audit.export.names import HUB
from tasks.lineage.model import Holds
from tasks.shared.artifacts import index

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["FILE", "FOLDER", "MODEL", "TABLE", "STAGE"]
Facet = TypeVar("Facet", bound=facets.BaseFacet)
TABLES = (".parquet", ".csv", ".jsonl", ".trec")


def own(facet: Facet, **fields: Any) -> Facet:
    """A facet of our own: that of a base class with fields added."""
    return cast(Facet, facet.with_additional_properties(**fields))


def described(
    name: tuple[str, str], kind: Kind, version: str | None, identity: str, size: Mapping[str, Any] | None = None,
    dvc: str | None = None, columns: list[Column] | None = None,
) -> OutputDataset:  # fmt: skip
    """A version of a dataset: `identity` says what it is the digest of, `size` has rowCount, size or fileCount."""
    kinds = ("FOLDER", "STAGE") if kind == "STAGE" else (kind, None)
    found: dict[str, facets.DatasetFacet] = {
        "datasetType": facets.dataset_type_dataset.DatasetTypeDatasetFacet(*kinds),
        "reeltrace_identity": own(facets.DatasetFacet(), digestOf=identity, dvc=dvc),
    }
    if version is not None:
        found["version"] = facets.dataset_version_dataset.DatasetVersionDatasetFacet(version)
    if name[0] == HUB:
        found["dataSource"] = facets.datasource_dataset.DatasourceDatasetFacet("Hugging Face Hub", "/".join(name))
    if columns is not None:
        found["schema"] = facets.schema_dataset.SchemaDatasetFacet(columns)
    statistics = facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
    return OutputDataset(*name, {"outputStatistics": statistics(**size)} if size else {}, facets=found)


def as_input(dataset: OutputDataset, maker: str | None, holds: Holds = "yes") -> InputDataset:
    """A dataset as an input: of the stage that made it (None: it is from outside), and whether that made this."""
    link = own(facets.InputDatasetFacet(), maker=maker, holds=holds)
    found: dict[str, facets.InputDatasetFacet] = {"reeltrace_link": link}
    if size := cast(Any, (dataset.outputFacets or {}).get("outputStatistics")):
        statistics = facets.input_statistics_input_dataset.InputStatisticsInputDatasetFacet
        found["inputStatistics"] = statistics(size.rowCount, size.size, size.fileCount)
    return InputDataset(dataset.namespace, dataset.name, found, facets=dataset.facets)


def rows_and_columns(path: Path) -> tuple[int, list[Column] | None]:
    """How many rows a table has, or the index by its content manifest, and its columns; None where it names none."""
    if path.name == index.MANIFEST:
        return index.read_index_manifest(path.parent).rows, None
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as table:
            return table.metadata.num_rows, [_column(one) for one in table.schema_arrow]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            columns = [Column(name) for name in next(rows, [])]
            return sum(1 for _ in rows), columns
    with path.open("rb") as stream:
        return sum(1 for _ in stream), None


def _column(field: pa.Field) -> Column:
    """A column; what is nested in it as https://openlineage.io/docs/spec/facets/dataset-facets/schema shows it."""
    import pyarrow as pa

    kind = field.type
    if pa.types.is_struct(kind):
        return Column(field.name, "struct", fields=[_column(kind.field(number)) for number in range(kind.num_fields)])
    if hasattr(kind, "value_field"):  # a list of any kind
        return Column(field.name, "array", fields=[_column(kind.value_field.with_name("_element"))])
    return Column(field.name, str(kind))
