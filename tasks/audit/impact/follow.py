"""From an item or a param down to the scores: everything in a state that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from tasks.audit.impact.answer import Candidate, Judged, Mean, ParamImpact, Place, QueryImpact, VideoImpact
from tasks.audit.impact.change import Change, Unset
from tasks.audit.impact.checkpoints import Checkpoints
from tasks.audit.impact.places import ranks_of, vector_digest
from tasks.audit.impact.state import State
from tasks.audit.impact.subjects import Param
from tasks.lineage.items import video_lineages
from tasks.shared.artifacts.corpus import Query, Video
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.execution.pipeline import downstream_of
from tasks.shared.runtime.errors import UserError

TOP = 10
T = TypeVar("T")


@dataclass
class Follower:
    """Follows items of one state. What is not to be had is noted, once, and the rest is told."""

    state: State
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.checkpoints = Checkpoints(self.state.lineage)

    def video(self, video: Video) -> VideoImpact:
        """All that follows from a video."""
        state, one = self.state, video.video_id
        judged = self._told(lambda: self._judgments(video_id=one)) or []
        exposures = self._told(lambda: [each for each in state.exposures if each.video_id == one]) or []
        places = self._told(lambda: self._places(one, judged)) or [] if video.split == "test" else []
        return VideoImpact(
            video=video,
            lineage=self._told(lambda: video_lineages(state.lineage, [one]).get(one)),
            judged=judged,
            mined=self._told(lambda: _candidates(state, one)) or [] if video.split == "train" else [],
            exposures=exposures,
            checkpoints=self._told(lambda: self.checkpoints.of_video(one)) or [],
            vectors=self._told(lambda: self._vectors("videos", one)) or {} if video.split == "test" else {},
            places=places,
            means=self._told(lambda: self._means(places, bool(exposures))) or [],
        )

    def query(self, query: Query) -> QueryImpact:
        """All that follows from a query."""
        state, one = self.state, query.query_id
        judged = self._told(lambda: self._judgments(query_id=one)) or []
        exposures = self._told(lambda: [each for each in state.exposures if each.query_id == one]) or []
        test = query.split == "test"
        scored = (
            self._told(lambda: {each.system: each.values for each in state.per_query if each.query_id == one}) or {}
        )
        return QueryImpact(
            query=query,
            judged=judged,
            mined=self._told(lambda: next((each for each in state.mined if each.query_id == one), None)),
            exposures=exposures,
            checkpoints=self._told(lambda: self.checkpoints.of_query(one)) or [],
            vectors=self._told(lambda: self._vectors("queries", one)) or {} if test else {},
            scores=scored,
            places=self._told(lambda: self._of_query(one, judged)) or [] if test else [],
            means=self._told(lambda: self._query_means(scored, bool(exposures))) or [],
        )

    def param(self, param: Param) -> ParamImpact:
        """The stages that a param decides, and all that follow from them."""
        lineage = self.state.lineage
        named = Change(params={param.key: param.new})
        stages = {
            name: entries
            for name, spec in lineage.stages.items()
            if (entries := [entry for entry in spec.params if named.touches(entry)])
        }
        recorded = {}
        for name in stages:
            try:
                recorded[name] = lineage.execution(name).param(param.key)
            except (UserError, KeyError, TypeError):  # not made yet, or a whole section of which it reads one key
                continue
        given = not isinstance(param.new, Unset)
        return ParamImpact(
            key=param.key,
            present=param.present,
            recorded=recorded,
            given=given,
            new=param.new if given else None,
            same=param.same,
            stages=stages,
            downstream=downstream_of(lineage.stages, *stages) if stages else [],
        )

    def _told(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except UserError as error:
            if str(error) not in self.notes:
                self.notes.append(str(error))
            return None

    def _judgments(self, video_id: str | None = None, query_id: str | None = None) -> list[Judged]:
        state = self.state
        return [
            Judged(asked, seen, relevance, state.queries[asked].split)
            for asked, judged in state.qrels.items()
            if query_id in (None, asked)
            for seen, relevance in judged.items()
            if video_id in (None, seen)
        ]

    def _places(self, video_id: str, judged: Collection[Judged]) -> list[Place]:
        state = self.state
        relevance = {one.query_id: one.relevance for one in judged}
        ranks = {system: ranks_of(path, video_id) for system, path in state.runs.items()}
        scores: dict[str, dict[str, float]] = {}
        for one in state.per_query:
            scores.setdefault(one.query_id, {})[one.system] = one.values[HEADLINE]
        asked = {query for query, value in relevance.items() if value > 0}
        asked |= {query for of in ranks.values() for query, rank in of.items() if rank <= TOP}
        return [
            Place(
                query, video_id, relevance.get(query, 0), {name: of.get(query) for name, of in ranks.items()},
                scores.get(query, {}),
            )
            for query in sorted(asked)
        ]  # fmt: skip

    def _of_query(self, query_id: str, judged: Collection[Judged]) -> list[Place]:
        ranks = {system: read_ranks(self.state, system, query_id) for system in self.state.runs}
        return [
            Place(query_id, one.video_id, one.relevance, {name: of.get(one.video_id) for name, of in ranks.items()}, {})
            for one in judged
        ]

    def _means(self, places: Collection[Place], shown: bool) -> list[Mean]:
        found = []
        scores = self.state.scores
        for system, values in scores.systems.items():
            scored = [one for one in places if one.scores]
            relevant = {one.query_id for one in scored if one.relevance > 0}
            ranked = {one.query_id for one in scored if (rank := one.ranks.get(system)) is not None and rank <= TOP}
            training = shown and system == "tuned"
            if relevant or ranked or training:
                mean = values[HEADLINE]
                both = len(relevant | ranked)
                found.append(
                    Mean(system, HEADLINE, mean, len(relevant), len(ranked), both, scores.queries, training)
                )  # fmt: skip
        return found

    def _query_means(self, scored: dict[str, dict[str, float]], shown: bool) -> list[Mean]:
        scores = self.state.scores
        return [
            Mean(system, HEADLINE, values[HEADLINE], 0, 0, int(system in scored), scores.queries, training)
            for system, values in scores.systems.items()
            if (training := shown and system == "tuned") or system in scored
        ]

    def _vectors(self, kind: str, item_id: str) -> dict[str, str]:
        state = self.state
        found = {system: vector_digest(state.vectors(system, kind), item_id) for system in state.encoders}
        return {system: digest for system, digest in found.items() if digest}


def read_ranks(state: State, system: str, query_id: str) -> dict[str, int]:
    """Ranks by video id of one query in a system's run."""
    from tasks.shared.artifacts.runs import read_ranking

    folder = state.runs[system].parents[1]
    return {video_id: rank for rank, video_id in enumerate(read_ranking(system, query_id, folder), start=1)}


def _candidates(state: State, video_id: str) -> list[Candidate]:
    found = []
    for one in state.mined:
        found += [Candidate(one.query_id, each.rank, each.score, None) for each in one.negatives
                  if each.video_id == video_id]  # fmt: skip
        found += [Candidate(one.query_id, each.rank, each.score, each.reason) for each in one.dropped
                  if each.video_id == video_id]  # fmt: skip
    return found
