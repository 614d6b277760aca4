"""Facets of datasets: version, what it is the digest of, kind, columns, rows and size."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tasks.audit.export.contents import TABLES, Contents, contents
from tasks.audit.export.datasets import TABLE, Dataset, Read
from tasks.audit.export.names import HUB
from tasks.audit.export.records import Records
from tasks.audit.export.spec import Facets, facet, own
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts import index
from tasks.shared.artifacts.types import RESULTS


@dataclass
class Describer:
    """Describes datasets of a state; equal versions of a dataset are described alike wherever they occur."""

    lineage: Lineage
    records: Records
    _contents: dict[tuple[str, str], Contents | None] = field(default_factory=dict)

    def input(self, read: Read) -> dict[str, Any]:
        """An input of an event."""
        link = {"maker": read.maker, "holds": read.holds} if read.maker else {"holds": read.holds}
        facets = own("link", "InputDatasetFacet", **link)
        if size := self._size(read.dataset):
            facets |= facet("inputStatistics", **size)
        return self._dataset(read.dataset, recorded=read.holds == "yes") | {"inputFacets": facets}

    def output(self, dataset: Dataset) -> dict[str, Any]:
        """An output of an event."""
        size = self._size(dataset)
        facets = facet("outputStatistics", **size) if size else {}
        return self._dataset(dataset, recorded=True) | {"outputFacets": facets}

    def _dataset(self, dataset: Dataset, recorded: bool) -> dict[str, Any]:
        """A dataset with its facets; DVC's hash too where it is the version that this state recorded."""
        identity = {"digestOf": dataset.identity}
        if recorded and dataset.path in self.lineage.outs:
            identity["dvc"] = self.lineage.outs[dataset.path]
        facets = own("identity", "DatasetFacet", **identity)
        if dataset.version is not None:
            facets |= facet("version", datasetVersion=dataset.version)
        whole = {"datasetType": "FOLDER", "subType": "STAGE"} if dataset.kind == "STAGE" else None
        facets |= facet("datasetType", **(whole or {"datasetType": dataset.kind}))
        if dataset.name.namespace == HUB:
            facets |= facet("dataSource", name="Hugging Face Hub", uri=f"{HUB}/{dataset.name.name}")
        facets |= self._hierarchy(dataset)
        found = self._held(dataset)
        if found and found.fields is not None:
            facets |= facet("schema", fields=found.fields)
        return {"namespace": dataset.name.namespace, "name": dataset.name.name, "facets": facets}

    def _hierarchy(self, dataset: Dataset) -> Facets:
        """What a part of a stage's results is a part of."""
        if (
            dataset.path is None
            or dataset.kind == "STAGE"
            or RESULTS not in (path := PurePosixPath(dataset.path)).parents
        ):
            return {}
        stage = RESULTS / path.parts[1]
        part = {"type": dataset.kind, "name": path.relative_to(stage).as_posix()}
        return facet("hierarchy", hierarchy=[{"type": "STAGE", "name": stage.as_posix()}, part])

    def _size(self, dataset: Dataset) -> dict[str, int]:
        found = self._held(dataset)
        told = {"rowCount": found.rows if found else None, "size": dataset.bytes, "fileCount": dataset.files}
        return {name: count for name, count in told.items() if count is not None}

    def _held(self, dataset: Dataset) -> Contents | None:
        """Rows and columns of a table of the results."""
        path, version = dataset.path, dataset.version
        if path is None or version is None or RESULTS not in PurePosixPath(path).parents:
            return None
        if (path, version) not in self._contents:
            self._contents[path, version] = self._look(path, version)
        return self._contents[path, version]

    def _look(self, path: str, version: str) -> Contents | None:
        if path == TABLE:
            described = self.records.file((index.FOLDER / index.MANIFEST).as_posix(), version)
            return Contents(index.read_index_manifest(described.parent).rows, None) if described else None
        if not path.endswith(TABLES):
            return None
        place = self.records.file(path, version)
        return contents(place) if place else None
