"""A change that somebody might make: videos by id or file, queries by id, params by key, found or refused in a line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from tasks.audit.text import plain
from tasks.lineage.lineage import Lineage
from tasks.lineage.score import QUERIES, VIDEOS
from tasks.shared.artifacts.corpus import Query, Video, read_queries, read_videos
from tasks.shared.execution.params import PARAMS_FILE, as_read, checked_params, read_params_file
from tasks.shared.execution.params_file import overridden
from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class Param:
    """A param that was named: its present value, and the new one where one was `given`."""

    key: str
    present: Any
    given: bool
    new: Any

    @property
    def same(self) -> bool:
        """Whether the new value means the present one."""
        new, present = as_read(self.new, self.key), as_read(self.present, self.key)
        return self.given and bool(new == present) and type(new) is type(present)


@dataclass(frozen=True)
class Change:
    """What is changed, all at once.

    Attributes:
        videos: whose picture and sound become others, or which are taken away, where `removed`.
        queries: whose text becomes another.
        params: that get another value than the present one.
    """

    videos: Sequence[Video] = ()
    removed: bool = False
    queries: Sequence[Query] = ()
    params: Sequence[Param] = field(default=())

    def touching(self, entry: str) -> list[Param]:
        """The params that dvc.yaml's entry (a section or a dotted key) covers, or that cover it."""
        return [one for one in self.params if covers(entry, one.key)]

    def applied(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A params.yaml's content after the change; params of which no new value was given stay."""
        return overridden(params, {one.key: one.new for one in self.params if one.given})


def covers(entry: str, key: str) -> bool:
    """Whether one of two dotted keys is the other, or a section of it."""
    return key == entry or key.startswith(f"{entry}.") or entry.startswith(f"{key}.")


def find_videos(lineage: Lineage, names: Sequence[str]) -> list[Video]:
    """Videos of the corpus by id or by the path of their file. Raises UserError for a name that is neither."""
    videos = read_videos(lineage.need(VIDEOS)) if names else []
    root = Path() if lineage.objects is not None else lineage.root
    by_name = {_absolute(root / one.path): one for one in videos} | {one.video_id: one for one in videos}
    known = [name for one in videos for name in (one.video_id, one.path)]
    found = {}
    for name in names:
        video = by_name.get(name) or by_name.get(_absolute(root / name))
        if video is None:
            raise UserError(f"the corpus of {lineage.name} has no video {plain(name)}; {_meant(name, known)}")
        found[video.video_id] = video
    return list(found.values())


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - dots go, links stay


def find_queries(lineage: Lineage, names: Sequence[str]) -> list[Query]:
    """Queries of the corpus by id. Raises UserError for one that it does not have."""
    queries = {one.query_id: one for one in read_queries(lineage.need(QUERIES))} if names else {}
    for name in names:
        if name not in queries:
            raise UserError(f"the corpus of {lineage.name} has no query {plain(name)}; {_meant(name, queries)}")
    return [queries[name] for name in dict.fromkeys(names)]


def params_of(lineage: Lineage) -> dict[str, Any]:
    """The params of a state; a run records those that its stages obey, the others are the workspace's."""
    if lineage.objects is None:
        return lineage.params
    here: dict[str, Any] = read_params_file()
    return here | {name: {**here.get(name, {}), **section} for name, section in lineage.params.items()}


def find_params(params: Mapping[str, Any], given: Sequence[str]) -> list[Param]:
    """Params from `KEY` or `KEY=VALUE`, the values checked together. Raises UserError for what params.yaml refuses."""
    sections = [(name, section) for name, section in params.items() if isinstance(section, dict)]
    known = [*params, *(f"{name}.{key}" for name, section in sections for key in section)]
    found = []
    for one in given:
        key, equals, text = one.partition("=")
        *above, last = key.split(".")
        section: Any = params
        for part in above:
            section = section.get(part) if isinstance(section, dict) else None
        if not isinstance(section, dict) or (last not in section and not (equals and above)):
            raise UserError(f"{PARAMS_FILE} has no {plain(key)}; {_meant(key, known)}")
        found.append(Param(key, section.get(last), bool(equals), _value(key, text) if equals else None))
    checked_params(Change(params=found).applied(params), str(PARAMS_FILE))
    return found


def _value(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"{plain(key)}={plain(text)}: not a value of YAML; quote it as in params.yaml") from None


def _meant(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.3)
    if "." not in name and (ending := [one for one in known if one.rpartition(".")[2] == name]):
        close = ending  # a key without its section
    return f"did you mean {close[0]}?" if close else f"its names are like {known[0]}" if known else "it has none"
