"""Facets of datasets: version, what it is the digest of, kind, columns, rows and size."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from openlineage.client import facet_v2 as facets
from openlineage.client.event_v2 import InputDataset, OutputDataset

from tasks.audit.export.datasets import Dataset
from tasks.audit.export.files import Files
from tasks.audit.export.names import HUB

Facet = TypeVar("Facet", bound=facets.BaseFacet)


def own(facet: Facet, **fields: Any) -> Facet:
    """A facet of our own: that of a base class with fields added."""
    return cast(Facet, facet.with_additional_properties(**fields))


def input_of(dataset: Dataset, files: Files) -> InputDataset:
    """A dataset as the input of an event."""
    link = own(facets.InputDatasetFacet(), maker=dataset.maker, holds=dataset.holds)
    found = {"reeltrace_link": link}
    if size := _size(dataset, files):
        found["inputStatistics"] = facets.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(**size)
    return InputDataset(*dataset.name, found, facets=_facets(dataset, files))


def output_of(dataset: Dataset, files: Files) -> OutputDataset:
    """A dataset as the output of an event."""
    found: dict[str, facets.OutputDatasetFacet] = {}
    if size := _size(dataset, files):
        found["outputStatistics"] = facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(**size)
    return OutputDataset(*dataset.name, found, facets=_facets(dataset, files))


def _facets(dataset: Dataset, files: Files) -> dict[str, facets.DatasetFacet]:
    """Facets of a version, equal wherever it occurs; DVC's hash too where it is the version that the state recorded."""
    recorded = files.lineage.outs.get(dataset.path or "") if dataset.holds == "yes" else None
    kind = ("FOLDER", "STAGE") if dataset.kind == "STAGE" else (dataset.kind, None)
    found: dict[str, facets.DatasetFacet] = {
        "datasetType": facets.dataset_type_dataset.DatasetTypeDatasetFacet(*kind),
        "reeltrace_identity": own(facets.DatasetFacet(), digestOf=dataset.identity, dvc=recorded),
    }
    if dataset.version is not None:
        found["version"] = facets.dataset_version_dataset.DatasetVersionDatasetFacet(dataset.version)
    if dataset.name.namespace == HUB:
        address = f"{HUB}/{dataset.name.name}"
        found["dataSource"] = facets.datasource_dataset.DatasourceDatasetFacet("Hugging Face Hub", address)
    table = files.table(dataset.path, dataset.version)
    if table and table.fields is not None:
        found["schema"] = facets.schema_dataset.SchemaDatasetFacet(table.fields)
    return found


def _size(dataset: Dataset, files: Files) -> dict[str, Any]:
    table = files.table(dataset.path, dataset.version)
    told = {"rowCount": table.rows if table else None, "size": dataset.bytes, "fileCount": dataset.files}
    return {name: count for name, count in told.items() if count is not None}
