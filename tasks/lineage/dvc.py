"""What DVC knows: dvc.lock, objects by their md5 (from the cache, else from the remote), and what is stale."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tasks.shared.runtime.errors import UserError

LOCK = "dvc.lock"
PARAMS = "params.yaml"
FOLDER = ".dir"  # ends DVC's md5 of a folder


@dataclass(frozen=True)
class LockedStage:
    """A stage of dvc.lock: DVC's md5 of dependencies and outputs by path (`.dir` for folders), and params by key."""

    deps: dict[str, str]
    outs: dict[str, str]
    params: dict[str, Any]


def parse_lock(text: str | bytes, where: str) -> dict[str, LockedStage]:
    """The stages of a dvc.lock. Raises UserError where the text is none; `where` names it."""
    try:
        raw: Any = yaml.safe_load(text)
        found: dict[str, LockedStage] = {}
        for name, stage in (raw or {}).get("stages", {}).items():
            deps, outs = (
                {str(one["path"]): str(one.get("md5", "")) for one in stage.get(key, [])} for key in ("deps", "outs")
            )
            found[name] = LockedStage(deps, outs, dict(stage.get("params", {}).get(PARAMS, {})))
        return found
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{where} is not as DVC writes it ({reason}); restore it from git") from None


class Objects:
    """The objects of the DVC project at a root."""

    def __init__(self, root: Path = Path()) -> None:
        self.root = root
        self._listings: dict[str, dict[str, str]] = {}

    @cached_property
    def _repo(self) -> Any:
        from dvc.exceptions import NotDvcRepoError  # half a second, and only where objects are asked for
        from dvc.repo import Repo
        from dvc.scm import SCMError

        try:
            return Repo(str(self.root))
        except NotDvcRepoError:
            raise UserError("this is no DVC project; run from the project's root") from None
        except SCMError:
            raise UserError("this is no git repository, and DVC needs one to tell its objects") from None

    def path(self, md5: str) -> Path:
        """Where an object lies in the cache. Raises UserError where it is neither there nor in a remote."""
        self.fetch([md5])
        return self._cached(md5)

    def fetch(self, md5s: Iterable[str]) -> None:
        """Have objects in the cache. Raises UserError that names the first that is neither there nor in a remote."""
        missing = [md5 for md5 in dict.fromkeys(md5s) if not self._cached(md5).is_file()]
        if not missing:
            return
        reason = self._pull(missing)
        if absent := [md5 for md5 in missing if not self._cached(md5).is_file()]:
            raise UserError(f"object {absent[0]} is not in DVC's cache and {reason}")

    def files(self, md5: str) -> dict[str, str]:
        """The md5 of every file of a folder object, by its path in the folder."""
        if md5 not in self._listings:
            entries = json.loads(self.path(md5).read_text(encoding="utf-8"))
            self._listings[md5] = {entry["relpath"]: entry["md5"] for entry in entries}
        return self._listings[md5]

    def files_at(self, outs: Mapping[str, str], path: Path) -> dict[Path, str]:
        """The md5 of the file, or of every file below the folder, at a path; `outs` are outputs by path."""
        found: dict[str, str] = {}
        for out, md5 in outs.items():
            if path.is_relative_to(out) or Path(out).is_relative_to(path):
                folder = md5.endswith(FOLDER)
                if folder and (exact := self.files(md5).get(path.as_posix().removeprefix(f"{out}/"))):
                    return {path: exact}  # of a large folder, without a look at every name
                files = {f"{out}/{name}": one for name, one in self.files(md5).items()} if folder else {out: md5}
                found |= {name: one for name, one in files.items() if f"{name}/".startswith(f"{path.as_posix()}/")}
        return {Path(name): one for name, one in found.items()}

    def has(self, md5: str) -> bool:
        """Whether the cache has an object; no remote is asked."""
        return self._cached(md5).is_file()

    def _cached(self, md5: str) -> Path:
        return Path(self._repo.cache.local.oid_to_path(md5))

    def _pull(self, md5s: list[str]) -> str:
        """Ask the remote; why it may not have brought them."""
        from dvc.config import NoRemoteError, RemoteConfigError
        from dvc.exceptions import DvcException
        from dvc_data.hashfile.hash_info import HashInfo

        try:
            self._repo.cloud.pull([HashInfo("md5", md5) for md5 in md5s])
        except (NoRemoteError, RemoteConfigError):
            return "there is no remote to ask: make it again at its commit, or name a remote with `dvc remote add -d`"
        except (DvcException, OSError) as error:
            return f"the remote could not be asked: {' '.join(str(error).split())[:200]}"
        return "not in the remote either: `dvc push` it where it was made"


def stale_stages(root: Path = Path()) -> tuple[dict[str, tuple[str, ...]], str | None]:
    """By stage that DVC would run again, why; and why that is not known, where it is not.

    A stage that only follows from such a one is not there: DVC tells it when its inputs have changed.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        with Repo(str(root)) as repo:
            found: dict[str, list[Any]] = repo.status()
    except (DvcException, SCMError, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        return {}, f"What is stale is not known: DVC's status cannot be had ({reason})."
    return {stage: tuple(_reasons(changes)) for stage, changes in found.items()}, None


def _reasons(changes: list[Any]) -> Iterator[str]:
    """DVC's entries for a stage as words: `params.yaml train modified`, `tasks/train modified`."""
    for change in changes:
        if not isinstance(change, dict):
            yield str(change)
            continue
        for kind, paths in change.items():
            of = "output " if kind == "changed outs" else ""
            for path, what in paths.items():
                keys = what.items() if isinstance(what, dict) else [(None, what)]  # params of a file have keys
                yield from (f"{of}{path} {key} {state}" if key else f"{of}{path} {state}" for key, state in keys)
