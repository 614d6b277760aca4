"""Any-to-any retrieval among text, picture and sound of the same videos: twelve directions, R@1, R@5 and R@10.

Every video that has all three asks with one of its views, and is to be found among the same videos by another view of
it. Each is the only relevant one, so R@k is the share of videos found at rank k or before. Videos whose searched views
are equal, vector for vector, rank by id like all that scores alike: but for one, they can't be found at rank 1, however
good the model is.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.evaluate.significance import interval, randomisation_p
from tasks.shared.artifacts.directions import AVERAGES, CUTS, DIRECTIONS, FIRST, Directions, Lead
from tasks.shared.artifacts.vectors import Vectors, rows_of
from tasks.shared.retrieval.search import ranks
from tasks.shared.runtime.progress import progress

Ranks = dict[str, dict[str, dict[str, int]]]  # system -> direction -> video id -> rank


def direction_ranks(systems: Mapping[str, Mapping[str, Vectors]]) -> Ranks:
    """Ranks of every direction over the videos that have all views in all systems, in id order; given vectors by system
    and view."""
    every = [set(vectors.ids) for views in systems.values() for vectors in views.values()]
    aligned = sorted(set.intersection(*every)) if every else []
    found: Ranks = {}
    for system, views in systems.items():
        chosen = {view: rows_of(vectors, aligned) for view, vectors in views.items()}
        found[system] = {
            name: dict(zip(aligned, ranks(chosen[asked], chosen[searched], aligned), strict=True))
            for name, (asked, searched) in progress(DIRECTIONS.items(), f"directions {system}", unit="direction")
        }
    return found


def directions(found: Ranks, bootstrap: int, permutations: int, seed: int) -> Directions:
    """What the ranks score, with intervals, and tuned against base over all twelve directions. Videos are resampled,
    not directions: a video's value of an average is the share of its directions that found it."""
    documents = len(next(iter(next(iter(found.values())).values()))) if found else 0
    if not documents:
        return Directions(0, {}, {}, None)
    parts = {**{name: (name,) for name in DIRECTIONS}, **AVERAGES}
    systems: dict[str, dict[str, dict[str, float]]] = {}
    intervals: dict[str, dict[str, list[float]]] = {}
    overall = {}
    for system, of in progress(found.items(), "intervals of directions", unit="system"):
        systems[system], intervals[system] = {}, {}
        for name, members in parts.items():
            hits = {measure: _hits([of[one] for one in members], cut) for measure, cut in CUTS.items()}
            systems[system][name] = {measure: sum(one) / documents for measure, one in hits.items()}
            intervals[system][name] = interval(hits[FIRST], bootstrap, seed)
            overall[system, name] = hits[FIRST]
    lead = None
    if {"tuned", "base"} <= found.keys():
        tuned, base = overall["tuned", "AVG-all"], overall["base", "AVG-all"]
        differences = [mine - theirs for mine, theirs in zip(tuned, base, strict=True)]
        lead = Lead(sum(differences) / documents, randomisation_p(differences, permutations, seed))
    return Directions(documents, systems, intervals, lead)


def _hits(members: list[dict[str, int]], cut: int) -> list[float]:
    """Of every video, the share of these directions that found it at rank `cut` or before."""
    return [sum(of[video_id] <= cut for of in members) / len(members) for video_id in members[0]]
