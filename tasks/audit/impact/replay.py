"""Stages that DVC would not run but check out: its run cache remembers what it ran, and with what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.audit.impact.change import Change, Unset
from tasks.lineage.dvc import FOLDER, Objects
from tasks.lineage.lineage import Lineage
from tasks.shared.execution.params_file import overridden


@dataclass(frozen=True)
class Remembered:
    """An execution: DVC's md5 of what was read and made by path, and the params."""

    deps: dict[str, str]
    outs: dict[str, str]
    params: dict[str, Any]


def restored(lineage: Lineage, change: Change) -> set[str]:
    """Stages that a change of params to known values would have checked out from the run cache.

    Only what follows from stages that are themselves unchanged or restored can be told; the rest is not in the answer.
    """
    if change.videos or change.queries or any(isinstance(value, Unset) for value in change.params.values()):
        return set()
    if not change.params or not lineage.lock:
        return set()
    objects = lineage.objects or Objects(lineage.root)
    now: dict[str, str | None] = dict(lineage.outs)
    runs = list(_remembered(objects.root))
    found: set[str] = set()
    for stage in lineage.stages:
        if (locked := lineage.lock.get(stage)) is None:
            continue
        deps = {path: _hash(Path(path), now, objects) if _made(path, now) else md5 for path, md5 in locked.deps.items()}
        params = {entry: _changed(entry, value, change) for entry, value in locked.params.items()}
        if deps == locked.deps and params == locked.params:
            continue
        same = [one for one in runs if one.outs.keys() == locked.outs.keys()]
        match = next((one for one in same if one.deps == deps and one.params == params), None)
        if match is None or not all(objects.has(md5) for md5 in match.outs.values()):
            now |= dict.fromkeys(locked.outs)
        else:
            found.add(stage)
            now |= match.outs
    return found


def _remembered(root: Path) -> Iterator[Remembered]:
    from dvc.repo import Repo  # half a second

    with Repo(str(root)) as repo:
        folder = Path(repo.stage_cache.cache_dir)
    for path in sorted(folder.glob("*/*/*"), key=lambda one: one.stat().st_mtime, reverse=True):  # DVC takes the newest
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
            yield Remembered(
                {one["path"]: one["md5"] for one in raw.get("deps", [])},
                {one["path"]: one["md5"] for one in raw.get("outs", [])},
                dict(raw.get("params", {}).get("params.yaml", {})),
            )
        except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError):  # DVC drops such an entry itself
            continue


def _made(path: str, now: dict[str, str | None]) -> bool:
    """Whether a dependency is an output, lies in one, or holds some."""
    place = Path(path)
    return any(place == out or out in place.parents or place in out.parents for out in map(Path, now))


def _hash(path: Path, now: dict[str, str | None], objects: Objects) -> str | None:
    """DVC's md5 of an output, of a file in one, or of a folder of several; None where that is not known."""
    if path.as_posix() in now:
        return now[path.as_posix()]
    files: dict[str, str] = {}
    for out, md5 in now.items():
        place = Path(out)
        if place not in path.parents and path not in place.parents:
            continue
        if md5 is None or (md5.endswith(FOLDER) and not objects.has(md5)):
            return None
        inside = (
            {place / name: one for name, one in objects.files(md5).items()} if md5.endswith(FOLDER) else {place: md5}
        )
        if place in path.parents:
            return inside.get(path)
        files |= {file.relative_to(path).as_posix(): one for file, one in inside.items()}
    entries = [{"md5": md5, "relpath": name} for name, md5 in sorted(files.items())]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + FOLDER


def _changed(entry: str, value: Any, change: Change) -> Any:
    """A value of dvc.lock, a section or a single key, as it would be after the change."""
    for key, new in change.params.items():
        if key == entry:
            return new
        if key.startswith(f"{entry}.") and isinstance(value, dict):
            value = overridden(value, {key[len(entry) + 1 :]: new})
        elif entry.startswith(f"{key}.") and isinstance(new, dict):
            return new.get(entry[len(key) + 1 :])
    return value
