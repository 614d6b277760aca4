"""An independent reader of OpenLineage events: the official client's classes, and the graph that events make.

The client's classes are generated from the published schemas: a field that a schema does not know, a missing one, or
one of another type does not pass.
"""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from collections.abc import Iterable
from enum import Enum
from typing import Any

import attr
from openlineage.client import generated
from openlineage.client.generated.base import BaseFacet, RunEvent
from openlineage.client.serde import Serde

Triple = tuple[str, str, str | None]  # namespace, name, version


def _facet_classes() -> dict[str, type]:
    """The generated classes by the address of their schema."""
    modules = [
        importlib.import_module(f"{generated.__name__}.{one.name}") for one in pkgutil.iter_modules(generated.__path__)
    ]
    classes = {found for module in modules for found in vars(module).values() if isinstance(found, type)}
    return {one._get_schema(): one for one in classes if issubclass(one, BaseFacet)}


FACETS = _facet_classes()


def parse(event: dict[str, Any]) -> RunEvent:
    """The event as the client's object. Raises what the client's classes raise, and ValueError for another type."""
    schema = event["schemaURL"]
    found = _built(RunEvent, {key: value for key, value in event.items() if key != "schemaURL"})
    assert found.schemaURL == schema
    return found


def as_json(event: RunEvent) -> Any:
    """The event as the client would send it."""
    return Serde.to_dict(event)


def _built(kind: type, fields: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    known = {one.name for one in attr.fields(kind)}
    if unknown := set(fields) - known:
        raise ValueError(f"{kind.__name__} has no {sorted(unknown)}")
    return kind(
        **{name.lstrip("_"): _value(hints[name], value, f"{kind.__name__}.{name}") for name, value in fields.items()}
    )


def _facet(fields: dict[str, Any]) -> BaseFacet:
    """A facet by the class of its schema; of our own, whose class is a base, the fields are added."""
    kind = FACETS[fields["_schemaURL"]]
    rest = {key: value for key, value in fields.items() if key != "_schemaURL"}
    if kind.__module__.endswith(".base"):
        own = {key: rest.pop(key) for key in list(rest) if key != "_producer"}
        return _built(kind, rest).with_additional_properties(**own)
    return _built(kind, rest)


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _value(next(one for one in inner if one is not type(None)), value, where)
    if origin is list:
        return [_value(inner[0], one, where) for one in value]
    if origin is dict:
        return {key: _value(inner[1], one, where) for key, one in value.items()}
    if issubclass(hint, BaseFacet):
        return _facet(value)
    if issubclass(hint, Enum) or attr.has(hint):
        return hint(value) if issubclass(hint, Enum) else _built(hint, value)
    if not isinstance(value, hint) or isinstance(value, bool) != (hint is bool):
        raise ValueError(f"{where}: {value!r} is no {hint}")
    return value


def triple(dataset: Any) -> Triple:
    """A dataset's namespace, name and version."""
    version = dataset.facets.get("version")
    return dataset.namespace, dataset.name, version.datasetVersion if version else None


class Graph:
    """What a consumer makes of events: jobs, joined where one wrote the very version that the other read."""

    def __init__(self, events: Iterable[dict[str, Any]]) -> None:
        self.runs: dict[str, list[RunEvent]] = {}
        self.made: dict[Triple, str] = {}
        self.read: dict[str, set[Triple]] = {}
        for event in map(parse, events):
            self.runs.setdefault(event.run.runId, []).append(event)
            job = event.job.name
            self.read.setdefault(job, set()).update(map(triple, event.inputs))
            for one in map(triple, event.outputs):
                assert one not in self.made, f"{one} was made by {self.made[one]} and {job}"
                self.made[one] = job

    @property
    def edges(self) -> set[tuple[str, str]]:
        """Maker and reader of every version that was made and read."""
        return {(self.made[one], job) for job, found in self.read.items() for one in found if one in self.made}

    def ancestry(self, dataset: Triple) -> set[Triple]:
        """Every version that a version follows from, its own maker's inputs and so on."""
        found: set[Triple] = set()
        waiting = [dataset]
        while waiting:
            if (job := self.made.get(waiting.pop())) is not None:
                fresh = self.read[job] - found
                found |= fresh
                waiting += fresh
        return found
