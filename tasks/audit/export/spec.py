"""What the OpenLineage specification, version 2-0-2, asks of an event's parts: the schema that each is written by.

https://openlineage.io/spec/2-0-2/OpenLineage.json and https://openlineage.io/spec/facets/. A facet of our own is named
`reeltrace_...`, as the specification asks. No schema of these is published, so they name the base definition that they
do follow, and not an address where there is nothing.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
EVENT = CORE + "RunEvent"
FACETS = {
    "dataSource": "1-0-1/DatasourceDatasetFacet",
    "datasetType": "1-0-1/DatasetTypeDatasetFacet",
    "documentation": "1-1-0/DocumentationJobFacet",
    "executionParameters": "1-0-0/ExecutionParametersRunFacet",
    "hierarchy": "1-0-0/HierarchyDatasetFacet",
    "inputStatistics": "1-0-0/InputStatisticsInputDatasetFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "sourceCodeLocation": "1-1-0/SourceCodeLocationJobFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
}

Facets = dict[str, dict[str, Any]]


def exporter() -> str:
    """The version of this program."""
    try:
        return version("reeltrace")
    except PackageNotFoundError:  # run from a folder, not installed
        return "unknown"


def producer() -> str:
    """What makes the events, as a package URL (ECMA-427). `generic`: the package is in no registry."""
    return f"pkg:generic/reeltrace@{exporter()}"


def facet(key: str, **fields: Any) -> Facets:
    """A standard facet under its key."""
    release, name = FACETS[key].split("/")
    schema = f"https://openlineage.io/spec/facets/{release}/{name}.json#/$defs/{name}"
    return {key: {"_producer": producer(), "_schemaURL": schema, **fields}}


def own(key: str, base: Literal["RunFacet", "DatasetFacet", "InputDatasetFacet"], **fields: Any) -> Facets:
    """A facet of our own under `reeltrace_<key>`."""
    return {f"reeltrace_{key}": {"_producer": producer(), "_schemaURL": CORE + base, **fields}}
