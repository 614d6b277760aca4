"""What a user named: videos by id or file, queries by id, params by key, each found or refused in one line."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from tasks.audit.impact.change import UNSET, Unset
from tasks.audit.impact.state import State
from tasks.audit.text import plain
from tasks.shared.artifacts.corpus import Query, Video
from tasks.shared.execution.params import as_read, load_params
from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class Param:
    """A param that was named: its present value, and the new one where one was given."""

    key: str
    present: Any
    new: Any

    @property
    def same(self) -> bool:
        """Whether the new value means the present one."""
        new, present = as_read(self.new, self.key), as_read(self.present, self.key)
        return not isinstance(new, Unset) and bool(new == present) and type(new) is type(present)

    @property
    def rewritten(self) -> bool:
        """Whether it means the same and is written otherwise, which DVC takes for another value."""
        return self.same and bool(self.new != self.present)


def videos(state: State, names: Sequence[str]) -> list[Video]:
    """Videos of the corpus by id or by the path of their file. Raises UserError for a name that is neither."""
    by_path = {_placed(Path(one.path), state): one for one in state.videos.values()} if names else {}
    found = []
    for name in names:
        video = state.videos.get(name) or by_path.get(_placed(Path(name), state))
        if video is None:
            known = [*state.videos, *(one.path for one in state.videos.values())]
            raise UserError(f"the corpus of {state.lineage.name} has no video {plain(name)}; {_meant(name, known)}")
        found.append(video)
    return list({one.video_id: one for one in found}.values())


def queries(state: State, names: Sequence[str]) -> list[Query]:
    """Queries of the corpus by id. Raises UserError for one that it does not have."""
    for name in names:
        if name not in state.queries:
            raise UserError(
                f"the corpus of {state.lineage.name} has no query {plain(name)}; {_meant(name, state.queries)}"
            )
    return [state.queries[name] for name in dict.fromkeys(names)]


def params(state: State, given: Sequence[str]) -> list[Param]:
    """Params from `KEY` or `KEY=VALUE`, the values checked together. Raises UserError for what params.yaml refuses."""
    found = []
    changed = copy.deepcopy(state.params)
    for one in given:
        key, equals, text = one.partition("=")
        value = _value(key, text) if equals else UNSET
        *above, last = key.split(".")
        section: Any = changed
        for part in above:
            section = section.get(part) if isinstance(section, dict) else None
        if not isinstance(section, dict) or (last not in section and not (equals and above)):
            raise UserError(f"params.yaml has no {plain(key)}; {_meant(key, _keys(state.params))}")
        found.append(Param(key, section.get(last), value))
        if equals:
            section[last] = value
    _check(changed)
    return found


def _value(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"{plain(key)}={plain(text)}: not a value of YAML; quote it as in params.yaml") from None


def _check(changed: dict[str, Any]) -> None:
    """Refuse what a stage would refuse, in the same words."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(yaml.safe_dump(changed, allow_unicode=True), encoding="utf-8")
        try:
            load_params(path)
        except UserError as error:
            raise UserError(str(error).replace(f"{path}: ", "", 1)) from None


def _keys(params: dict[str, Any]) -> list[str]:
    sections = [(name, section) for name, section in params.items() if isinstance(section, dict)]
    return [*params, *(f"{name}.{key}" for name, section in sections for key in section)]


def _placed(path: Path, state: State) -> Path:
    """A path as seen from the project's root, however it was written."""
    root = Path.cwd() if state.lineage.objects is not None else state.lineage.root.resolve()
    whole = path if path.is_absolute() else root / path
    return Path(*_without_dots(whole.parts))


def _without_dots(parts: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if part == ".." and len(kept) > 1:
            kept.pop()
        elif part not in (".", ".."):
            kept.append(part)
    return kept


def _meant(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.3)
    if "." not in name and (ending := [one for one in known if one.rpartition(".")[2] == name]):
        close = ending  # a key without its section
    return f"did you mean {close[0]}?" if close else f"its names are like {known[0]}" if known else "it has none"
