"""What a user means by SCORE: a number, a query's ranking, or one video's rank in it, and the state it belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.open import of_run, revision, workspace
from tasks.shared.artifacts.corpus import read_queries, read_videos
from tasks.shared.artifacts.scores import HEADLINE, MEASURES, SYSTEMS
from tasks.shared.runtime.errors import UserError

QUERIES = Path("results/corpus/queries.parquet")
VIDEOS = Path("results/corpus/manifest.parquet")
RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Score:
    """A score of a state: a number, a query's ranking where `query_id` is given, with `video_id` one rank in it."""

    lineage: Lineage
    stage: str = FINAL  # the last stage of its ancestry; another one of a run that was named
    measure: str = HEADLINE
    system: str | None = None  # None where the final one is meant
    query_id: str | None = None
    video_id: str | None = None


def state(name: str | None) -> Lineage:
    """The state of a name: an MLflow run id, a revision, or the workspace where there is none."""
    if name is None or name == "workspace":
        return workspace()
    return of_run(name) if RUN_ID.fullmatch(name) else revision(name)


def resolve(name: str | None, rev: str | None) -> Score:
    """The score that was named. Raises UserError where it is nothing that the state knows."""
    if name and RUN_ID.fullmatch(name):
        if rev:
            raise UserError("an MLflow run id names its own state; leave --rev away")
        lineage = of_run(name)
        run = lineage.tracking.get(name)
        return Score(lineage, run.stage if run else FINAL)
    lineage = state(rev)
    if name is None:
        return Score(lineage)
    system, _, measure = name.rpartition("/")
    known = {one.lower(): one for one in MEASURES} | {one.lower().replace("@", "_at_"): one for one in MEASURES}
    if measure.lower() in known and system in ("", *SYSTEMS):
        return Score(lineage, measure=known[measure.lower()], system=system or None)
    return _item(lineage, name)


def _item(lineage: Lineage, name: str) -> Score:
    queries = lineage.need(QUERIES)
    places = [place for place, letter in enumerate(name) if letter == ":"]
    pairs = {name[:place]: name[place + 1 :] for place in places}
    found = {query.query_id for query in read_queries(queries, query_ids=[name, *pairs])}
    if name in found:
        return Score(lineage, query_id=name)
    for query_id, video_id in pairs.items():
        if query_id in found:
            if not read_videos(lineage.need(VIDEOS), video_ids=[video_id]):
                raise UserError(f"the corpus of {lineage.name} has no video {video_id}")
            return Score(lineage, query_id=query_id, video_id=video_id)
    ids = [query.query_id for query in read_queries(queries)]
    close = get_close_matches(next(iter(pairs), name), [*ids, *MEASURES], n=1)
    hint = f"did you mean {close[0]}?" if close else f"name a measure ({', '.join(MEASURES)}), a query or QUERY:VIDEO"
    raise UserError(f"{name} is no measure, run or query of {lineage.name}; {hint}")
