"""What tampers: draws a victim in a copy of a finished project, remembers it before it is changed, puts it back."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.audit.verify.answer import Answer, Finding

LANCE = "results/encode/lancedb"


@dataclass(frozen=True)
class Tampering:
    """What was done.

    Attributes:
        names: what a verification must name.
        touched: what it may name beside.
    """

    kind: str
    names: tuple[str, ...]
    touched: tuple[str, ...] = ()

    def named(self, answer: Answer) -> bool:
        """Whether every tampered thing is named: as what disagrees with a record, or as the record."""
        return all(any(_about(one, name) for one in answer.findings) for name in self.names)

    def false(self, answer: Answer) -> list[str]:
        """Findings in which nothing that was touched disagrees with anything."""
        touched = (*self.names, *self.touched)
        return [one.where for one in answer.findings if not any(_about(one, name) for name in touched)]


def _about(finding: Finding, name: str) -> bool:
    places = (finding.where, *finding.claims)
    return any(one == name or one.startswith((f"{name} ", f"{name}/")) for one in places)


class Tamperer:
    """Tampers with a copy of a project.

    Args:
        root: of the copy; also the working directory.
        seed: of what is drawn.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.random = random.Random(seed)
        self.files = sorted(
            path.relative_to(root).as_posix() for path in (root / "results").rglob("*") if path.is_file()
        )
        with self._database() as database:
            self.runs: list[tuple[str, str]] = database.execute(
                "SELECT t.run_uuid, s.value FROM tags t JOIN tags s ON s.run_uuid = t.run_uuid AND "
                "s.key = 'reeltrace.stage' WHERE t.key = 'reeltrace.manifest' AND t.value IN "
                f"({', '.join('?' * len(self._digests()))}) ORDER BY 2, 1",
                self._digests(),
            ).fetchall()

    @contextmanager
    def one(self, kind: Callable[[Tamperer], Tampering]) -> Iterator[Tampering]:
        """Tamper in one way for the time of the block."""
        self._kept: dict[Path, bytes | None] = {}
        self._folders: list[tuple[Path, Path]] = []
        self._made: list[Path] = []
        try:
            yield kind(self)
        finally:
            self._undo()

    # what is kept, so that it can be put back

    def keep(self, path: str) -> Path:
        """Remember a file before it is changed; where it lies."""
        place = self.root / path
        self._kept.setdefault(place, place.read_bytes() if place.is_file() else None)
        return place

    def keep_folder(self, path: str) -> Path:
        """Remember a whole folder before it is changed."""
        copy = Path(tempfile.mkdtemp())
        shutil.copytree(self.root / path, copy / "kept", symlinks=True)
        self._folders.append((self.root / path, copy))
        return self.root / path

    def make(self, path: Path) -> Path:
        """Make room for something new; it goes with all folders that are made for it."""
        first = path
        while not first.parent.exists():
            first = first.parent
        self._made.append(first)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _undo(self) -> None:
        for place in self._made:
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
        for folder, copy in self._folders:
            shutil.rmtree(folder)
            shutil.move(copy / "kept", folder)
            shutil.rmtree(copy)
        for place, content in self._kept.items():
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            elif place.is_symlink() or place.exists():
                place.unlink()
            if content is not None:
                place.write_bytes(content)

    # what is drawn from

    def file(self, *, least: int = 1, lance: bool = False) -> str:
        """A file of the results, first its stage so that small stages are drawn as often."""
        fit = [
            path
            for path in self.files
            if path.startswith(f"{LANCE}/") == lance and (self.root / path).stat().st_size >= least
        ]
        stage = self.random.choice(sorted({path.split("/")[1] for path in fit}))
        folder = self.random.choice(
            sorted({Path(path).parent.as_posix() for path in fit if path.split("/")[1] == stage})
        )
        return self.random.choice([path for path in fit if Path(path).parent.as_posix() == folder])

    def manifest(self, stage: str) -> Any:
        return json.loads((self.root / f"results/{stage}/manifest.json").read_text(encoding="utf-8"))

    def write_manifest(self, stage: str, manifest: Any) -> str:
        """Write a manifest as a stage does; its path."""
        path = f"results/{stage}/manifest.json"
        text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        self.keep(path).write_text(text, encoding="utf-8")
        return path

    @contextmanager
    def mlflow(self) -> Iterator[sqlite3.Connection]:
        """The database to change."""
        self.keep("mlflow.db")
        with self._database() as database:
            yield database
            database.commit()

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.root / "mlflow.db")
        try:
            yield database
        finally:
            database.close()

    def _digests(self) -> list[str]:
        return [
            hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(self.root.glob("results/*/manifest.json"))
        ]

    def drawn(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """A drawn row of a query on MLflow's database, of a drawn run: `RUN` stands for it."""
        order = self.random.sample(self.runs, len(self.runs))
        with self._database() as database:
            for run, stage in order:
                if rows := database.execute(query.replace("RUN", f"'{run}'"), values).fetchall():
                    return (run, stage, *self.random.choice(rows))
        raise LookupError(query)


def flipped(content: bytes, chance: random.Random) -> bytes:
    """One bit of one byte turned."""
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]
