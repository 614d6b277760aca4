"""MLflow's SQLite database: its schema is that of the MLflow that wrote it, and each MLflow reads only its own.

MLflow upgrades a database by itself only where a whole table is missing, and refuses it otherwise.
"""

from __future__ import annotations

import shutil
import sqlite3
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tasks.shared.execution.mlflow_database import database_of
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.locks import waiting_for


def upgrade_database(uri: str) -> str | None:
    """Bring a database that an older MLflow wrote to the schema of the installed MLflow, and keep a copy of it.

    What was done, as one line; None where `uri` names no SQLite file or nothing was to be done. Raises UserError where
    a newer MLflow wrote the database, or MLflow cannot upgrade it.
    """
    path = database_of(uri)
    if path is None or _is_current(path):
        return None
    from mlflow.db import upgrade as command  # what `mlflow db upgrade` runs

    installed = version("mlflow")
    with waiting_for(path.with_name(f"{path.name}-upgrade.lock"), "upgrading MLflow's database"):
        if _is_current(path):  # another stage has done it meanwhile
            return None
        copy = path.with_name(f"{path.name}-before-{installed}")
        shutil.copy2(path, copy)
        try:
            command.main([uri], standalone_mode=False)
        except Exception as error:  # whatever a migration raises
            raise UserError(f"MLflow {installed} cannot upgrade {path} (as it was: {copy}): {error}") from error
    return f"{path} was upgraded to the schema of MLflow {installed}; as it was: {copy}"


def _is_current(path: Path) -> bool:
    """Whether a database has the newest schema that the installed MLflow knows, or none at all.

    Raises UserError where it has one that the installed MLflow does not know.
    """
    from alembic.script import ScriptDirectory

    try:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=20) as database:
            row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:  # empty, or damaged: MLflow fills the one and says what is wrong with the other
        return True
    if row is None:
        return True
    package = find_spec("mlflow")
    assert package is not None and package.origin is not None
    migrations = ScriptDirectory(str(Path(package.origin).parent / "store" / "db_migrations"))
    if row[0] in migrations.get_heads():
        return True
    if all(row[0] != known.revision for known in migrations.walk_revisions()):
        raise UserError(
            f"{path} was written by a newer MLflow than {version('mlflow')} (schema {row[0]}); "
            "install that one, or move the file away"
        )
    return False
