"""Models by the name that params give them: in an installed package, in a directory, or on the Hugging Face hub."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.shared.runtime.errors import TransientError, UserError, disk_full
from tasks.shared.runtime.files import files_under, sha256_file, sha256_json

PACKAGE = "package:"
PATH_MARKS = ("/", "./", "../", "~")
BUSY = (408, 429)  # HTTP: timeout, too many requests; and all from 500 on
# by name, of the classes above an error: the hub's client has changed its HTTP library twice, and they name them alike
OUT_OF_REACH = {"ConnectionError", "TimeoutError", "NetworkError", "TimeoutException", "RemoteProtocolError"}
PERMANENT = {"OfflineModeIsEnabled", "SSLCertVerificationError"}


@dataclass(frozen=True)
class Model:
    """Where a model is to be loaded from: `location` is a directory, or a hub id with a revision; `name` is as params
    have it, for messages."""

    name: str
    location: str
    revision: str | None

    def digest(self) -> str:
        """What decides its weights: for a directory the sha256 over its files' names and bytes, for a hub id its
        name and revision (nothing is downloaded to know it)."""
        if self.revision is not None:
            return f"{self.location}@{self.revision}"
        folder = Path(self.location)
        return sha256_json({path.relative_to(folder).as_posix(): sha256_file(path) for path in files_under(folder)})


def resolve_model(name: str, revision: str | None, section: str) -> Model:
    """Where the model is that a section of params names: `package:NAME` (the folder `model` of an installed package), a
    directory, or a hub id with its revision. Raises UserError for a package that is not installed, a path that is no
    directory, and a hub id without a revision: its weights could change between two runs unnoticed."""
    if name.startswith(PACKAGE):
        return Model(name, str(_in_package(name.removeprefix(PACKAGE), section)), None)
    if name and Path(name).is_dir():
        return Model(name, name, None)
    if not name or name.startswith(PATH_MARKS) or name in (".", ".."):
        raise UserError(f"{section}.model: no model at {name!r}; give a directory, a hub id or {PACKAGE}NAME")
    if revision is None:
        raise UserError(
            f"{section}.model: {name} is no directory here, so it is on the hub: set {section}.revision to the commit "
            "to use"
        )
    return Model(name, name, revision)


def hub_commit(name: str, param: str) -> str:
    """The commit that a hub repository's main branch is at now; `param` names it in messages. Raises UserError where
    there is no such repository or it needs a login, TransientError where the hub cannot be reached."""
    from huggingface_hub import HfApi

    with loading(Model(name, name, None), param):
        return str(HfApi().model_info(name).sha)


@contextmanager
def loading(model: Model, param: str) -> Iterator[None]:
    """Turn what a library raises while it loads a model into one line that begins with the param that names it. That is
    a TransientError where a later try may succeed, else a UserError. The error of a full disk is not changed."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        transient = is_transient(error)
        known = transient or isinstance(error, (OSError, ValueError, RuntimeError, ImportError, KeyError))
        known |= type(error) is Exception or type(error).__name__ == "SafetensorError"  # tokenizers, weights
        if disk_full(error) or not known:
            raise
        at = f" at revision {model.revision}" if model.revision else ""
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        message = f"{param}: {model.name}{at} cannot be loaded: {reason}"
        raise TransientError(f"{message}; try again later") if transient else UserError(message) from error


def is_transient(error: BaseException) -> bool:
    """Whether a later try may succeed after an error of the hub: no connection, a timeout, HTTP 408, 429 or 5xx.
    Libraries wrap each other's errors, so the outermost that has a status or a known class decides. Offline mode and a
    certificate that is not trusted are permanent."""
    found: bool | None = None
    cause: BaseException | None = error
    while cause is not None:
        names = {base.__name__ for base in type(cause).__mro__}
        if names & PERMANENT:
            return False
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if found is None and isinstance(status, int):
            found = status in BUSY or status >= 500
        elif found is None and names & OUT_OF_REACH:
            found = True
        cause = cause.__cause__ or cause.__context__
    return bool(found)


def _in_package(package: str, section: str) -> Path:
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"{section}.model: the package {package} is not installed; run `pip install {package.replace('_', '-')}`"
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    if not folder.is_dir():
        raise UserError(f"{section}.model: the package {package} has no folder `model`; name another")
    return folder
