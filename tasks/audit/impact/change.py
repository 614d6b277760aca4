"""A change that somebody might make: videos by id or file, queries by id, params by key, found or refused in a line."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from tasks.audit.text import plain
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import value_at
from tasks.lineage.score import QUERIES, VIDEOS
from tasks.shared.artifacts import corpus
from tasks.shared.artifacts.corpus import Query, Video, read_queries, read_videos
from tasks.shared.execution.params import PARAMS_FILE, as_read, checked_params, read_params_file
from tasks.shared.execution.params_file import assignment, overridden
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Param:
    """A param that was named, and what it decides."""

    key: str
    present: Any  # its value in params.yaml
    recorded: dict[str, Any]  # the value that results were made with, by stage
    given: bool  # whether a new value was named
    new: Any
    same: bool  # whether the new value means the present one
    stages: dict[str, list[str]]  # by stage, the entries of dvc.yaml that name it
    downstream: list[str]  # those stages and all that follow from them


@dataclass(frozen=True)
class Change:
    """What is changed, all at once: videos get another picture and sound or are removed, queries another text."""

    videos: Sequence[Video] = ()
    removed: bool = False
    queries: Sequence[Query] = ()
    params: Sequence[Param] = ()

    def touching(self, entry: str) -> list[Param]:
        """The params that dvc.yaml's entry (a section or a dotted key) covers, or that cover it."""
        return [one for one in self.params if _covers(entry, one.key)]

    def write_corpus(self, present: Path, folder: Path) -> None:
        """The corpus stage's folder as it would be, from what lies in `present`; what stays is linked."""
        folder.mkdir()
        for path in present.glob("*.*"):
            (folder / path.name).symlink_to(path)
        videos = {one.video_id: replace(one, sha256=f"other {one.sha256}") for one in self.videos}
        if videos:
            kept = [one for one in read_videos(present / VIDEOS.name) if not self.removed or one.video_id not in videos]
            corpus.write_videos(folder / VIDEOS.name, [videos.get(one.video_id, one) for one in kept])
        for name in [f"qrels.{split}.trec" for split in corpus.SPLITS] if self.removed else []:
            judged = corpus.read_qrels(present / name)
            left = [corpus.Judgment(query, *one) for query, of in judged.items() for one in of.items()]
            corpus.write_qrels(folder / name, [one for one in left if one.video_id not in videos])
        queries = {one.query_id: replace(one, text=f"other {one.text}") for one in self.queries}
        if queries:
            rows = [queries.get(one.query_id, one) for one in read_queries(present / QUERIES.name)]
            corpus.write_queries(folder / QUERIES.name, rows)


def _covers(entry: str, key: str) -> bool:
    """Whether one of two dotted keys is the other, or a section of it."""
    return f"{key}.".startswith(f"{entry}.") or f"{entry}.".startswith(f"{key}.")


def find_videos(lineage: Lineage, names: Sequence[str]) -> list[Video]:
    """Videos of the corpus by id or by the path of their file. Raises UserError for a name that is neither."""
    videos = read_videos(lineage.need(VIDEOS)) if names else []
    by_path = {os.path.abspath(one.path): one for one in videos}  # noqa: PTH100 - dots go, links stay
    return _find(
        lineage, "video", names, by_path | {one.path: one for one in videos} | {one.video_id: one for one in videos}
    )


def find_queries(lineage: Lineage, names: Sequence[str]) -> list[Query]:
    """Queries of the corpus by id. Raises UserError for one that it does not have."""
    queries = read_queries(lineage.need(QUERIES)) if names else []
    return _find(lineage, "query", names, {one.query_id: one for one in queries})


def _find(lineage: Lineage, what: str, names: Sequence[str], known: Mapping[str, T]) -> list[T]:
    found = []
    for name in names:
        one = known.get(name) or known.get(os.path.abspath(name))  # noqa: PTH100
        if one is None:
            raise UserError(f"the corpus of {lineage.name} has no {what} {plain(name)}; {_meant(name, known)}")
        if one not in found:
            found.append(one)
    return found


def params_of(lineage: Lineage, changed: Sequence[Param] = ()) -> dict[str, Any]:
    """The params of a state, with new values where they were given.

    A run records those that its stages obey; the others are the workspace's.
    """
    found = lineage.params
    if lineage.objects is not None:
        here: dict[str, Any] = read_params_file()
        found = here | {name: {**here.get(name, {}), **section} for name, section in found.items()}
    return overridden(found, {one.key: one.new for one in changed if one.given})


def find_params(lineage: Lineage, named: Sequence[str]) -> list[Param]:
    """Params from `KEY` or `KEY=VALUE`, the values checked together. Raises UserError for what params.yaml refuses."""
    found = [_param(lineage, one) for one in named]
    checked_params(params_of(lineage, found), str(PARAMS_FILE))
    return found


def _param(lineage: Lineage, text: str) -> Param:
    params, (key, equals, _) = params_of(lineage), text.partition("=")
    try:
        present = value_at(params, key)
        new = assignment(text)[1] if equals else None
    except (KeyError, TypeError):
        raise UserError(f"{PARAMS_FILE} has no {plain(key)}; {_meant(key, [*params, *flat(params)])}") from None
    except ArgumentTypeError as error:
        raise UserError(plain(error)) from None
    old, read = as_read(present, key), as_read(new, key)
    same = bool(equals and read == old and type(read) is type(old))
    entries = {name: [one for one in spec.params if _covers(one, key)] for name, spec in lineage.stages.items()}
    stages = {name: of_stage for name, of_stage in entries.items() if of_stage}
    recorded = {}
    for name in stages:
        with suppress(UserError, KeyError, TypeError):  # not made yet, or a whole section of which it reads one key
            recorded[name] = lineage.execution(name).param(key)
    return Param(key, present, recorded, bool(equals), new, same, stages, lineage.downstream(*stages))


def _meant(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.3)
    if "." not in name and (ending := [one for one in known if one.rpartition(".")[2] == name]):
        close = ending  # a key without its section
    return f"did you mean {close[0]}?" if close else f"its names are like {known[0]}" if known else "it has none"
