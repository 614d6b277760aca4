"""A version of a dataset in OpenLineage's classes, and its name, by which a consumer joins what stages wrote and read.

OpenLineage names a local file by its absolute path, which would be another in every clone. So files of the project have
their path from its root and the project's namespace, others `file` and their path from the corpus folder on.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

from openlineage.client import facet_v2 as facets
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields as Column

from tasks.lineage.model import Holds
from tasks.shared.artifacts import index
from tasks.shared.runtime.models import PACKAGE

if TYPE_CHECKING:
    import pyarrow as pa

PROJECT, OUTSIDE, INSTALLED, HUB = "reeltrace", "file", "package", "https://huggingface.co"  # namespaces
WITH_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")
SSH_SHORT = re.compile(r"(?:[^@/:\s]+@)?(?P<host>[^/:\s]{2,}):(?P<path>[^/\\].*)")  # one letter is a Windows drive


@dataclass(frozen=True)
class Names:
    """How datasets are named: the project's namespace, and the corpus's path as params have it."""

    project: str
    corpus: str | None = None

    def file(self, path: str) -> tuple[str, str]:
        """Namespace and name of a file or folder by its path as manifests have it."""
        if not outside(path):
            return self.project, path
        place = PurePosixPath(path)
        if self.corpus is not None and outside(self.corpus) and PurePosixPath(self.corpus) in place.parents:
            return OUTSIDE, place.relative_to(PurePosixPath(self.corpus).parent).as_posix()
        return OUTSIDE, place.name

    def model(self, model: str, revision: str | None) -> tuple[str, str]:
        """A model by its name in params: in an installed package, of the hub (which has a revision), or a directory."""
        if model.startswith(PACKAGE):
            return INSTALLED, model.removeprefix(PACKAGE)
        return (HUB, model) if revision else self.file(model)


def outside(path: str) -> bool:
    """Whether a path is one of the machine, not of the project."""
    return PurePath(path).is_absolute() or path.startswith("~")


def shareable(value: Any) -> Any:
    """A value of params without what is of this machine: absolute paths keep their last part, addresses lose users."""
    if isinstance(value, dict):
        return {str(shareable(key)): shareable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shareable(one) for one in value]
    if not isinstance(value, str):
        return value
    return f"…/{PurePosixPath(value).name}" if outside(value) else WITH_PASSWORD.sub("", value)


def web_address(remote: str) -> str | None:
    """The address of a repository for a browser: no user, no password, no `.git`. None for a path of this machine."""
    if "://" not in remote and (short := SSH_SHORT.fullmatch(remote)):
        remote = f"ssh://{short['host']}/{short['path']}"
    try:
        parts = urlsplit(remote)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    path = parts.path.strip("/").removesuffix(".git")
    if not host or not path or parts.scheme == "file":
        return None
    web = parts.scheme in ("http", "https")
    at = f"[{host}]" if ":" in host else host
    return f"{parts.scheme if web else 'https'}://{at}{f':{port}' if web and port else ''}/{path}"


def namespace_of(repository: str | None) -> str:
    """The project's namespace: by its repository, which is the same in every clone."""
    return f"{PROJECT}://{repository.partition('://')[2]}" if repository else PROJECT


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
