"""DVC's objects by their md5: from the cache, and where it lacks one from the remote."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.shared.runtime.errors import UserError

FOLDER = ".dir"


class Objects:
    """The objects of a DVC project.

    Args:
        root: of the project.
    """

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
