"""`reeltrace ...` without starting a program: in this process, as if it had just started somewhere else.

Importing what a command needs takes seconds, a hundred times what most commands take.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from unittest.mock import patch

from tasks.cli import main
from tests import warm


def called(arguments: Sequence[str], root: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Call the command with a working directory and an environment of its own; what it wrote, and its exit code.

    What it writes goes to files, as does what programs that it starts write. An exception that the command lets
    through is raised here.
    """
    code, before = 0, Path.cwd()
    with TemporaryFile() as out, TemporaryFile() as errors:
        with written_to(1, "stdout", out.fileno()), written_to(2, "stderr", errors.fileno()):
            try:
                os.chdir(root)
                python = patch.object(sys, "executable", warm.python())  # of the programs that it starts
                with patch.dict(os.environ, environment, clear=True), patch.object(sys, "argv", ["reeltrace"]), python:
                    forget()
                    main(arguments)
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            finally:
                os.chdir(before)
                forget()
        texts = [(file.seek(0), file.read().decode())[1] for file in (out, errors)]
    return subprocess.CompletedProcess(["reeltrace", *arguments], code, *texts)


@contextmanager
def written_to(descriptor: int, name: str, file: int) -> Iterator[None]:
    """Let a standard stream be a file for a while: this process's, and that of programs that it starts."""
    kept = os.dup(descriptor)
    os.dup2(file, descriptor)
    stream = io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False), encoding="utf-8", write_through=True)
    try:
        with patch.object(sys, name, stream):
            yield
    finally:
        stream.flush()
        os.dup2(kept, descriptor)
        os.close(kept)


def forget() -> None:
    """Empty what was remembered of another working directory: MLflow keeps the database of a relative address open."""
    if "mlflow.store.tracking.sqlalchemy_store" not in sys.modules:
        return
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
    from mlflow.tracking._model_registry.utils import _model_registry_store_registry
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry

    for registry in (_tracking_store_registry, _model_registry_store_registry):
        if registry is not None:  # no client was made yet
            type(registry)._get_store_with_resolved_uri.cache_clear()
    for store in (Tracking, Registry):
        store._engine_map.clear()
