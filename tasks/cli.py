"""`reeltrace`: a subcommand for every stage, `profile`, `ready`, `search`, `submission`, `score`, `matrix` and `audit`.

`reeltrace extract` is `python -m tasks.extract`: one stage, from the project's root. All of them, and only what is
stale, is `dvc repro`. Nothing heavy is imported before a subcommand needs it.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.matrix.command import add_command as add_matrix
from tasks.shared.runtime.errors import UserError, positive
from tasks.submission.command import add_commands

STAGES = {
    "corpus": "a dataset becomes a manifest of videos, queries and judgments",
    "extract": "frames and the audio track of every video",
    "transcribe": "speech to text, and on-screen text",
    "mine": "hard negatives for every training query",
    "base": "the embedded default's tiny starting model; in production a name",
    "train": "LoRA of the omni embedder",
    "encode": "test corpus and queries to vectors, and the index",
    "evaluate": "runs, measures, slices, significance",
    "report": "one page a person reads",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a subcommand; a user's mistake is one line on standard error and exit 2, or 75 where it may pass."""
    parser = build_parser()
    if not (given := list(sys.argv[1:] if arguments is None else arguments)):
        parser.print_help()
        return
    if given[0] == "audit":
        from tasks.audit.cli import main as audit

        audit(given[1:])
        return
    chosen = parser.parse_args(given)
    if chosen.command in STAGES:
        sys.argv = [f"reeltrace {chosen.command}"]
        runpy.run_module(f"tasks.{chosen.command}", run_name="__main__", alter_sys=True)
        return
    try:
        code = chosen.run(chosen)
    except UserError as error:
        print(f"{chosen.command}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    if code:
        sys.exit(code)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every subcommand."""
    parser = argparse.ArgumentParser(
        prog="reeltrace",
        description="From a folder of videos, queries and judgments to a tuned video retriever, an index and a score.",
        epilog="`dvc repro` runs every stage that is stale; a stage's own command runs it alone.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, what in STAGES.items():
        commands.add_parser(name, help=what, description=f"Run the stage {name}: {what}.")
    profile = commands.add_parser(
        "profile",
        help="choose a named set of params",
        description="Write a profile's values into params.yaml; what it does not decide stays as it is.",
        epilog="The models it leaves unpinned are pinned to the commits that the hub has now.",
    )
    profile.add_argument("name", nargs="?", help="of a file in profiles/; without one the profiles are listed")
    profile.add_argument("directory", nargs="?", help="of the corpus, where the profile names none")
    profile.add_argument(
        "--set", dest="changes", metavar="KEY=VALUE", action="append", default=[], type=_assignment,
        help="another value than the profile's, such as base.model=/models/thinker",
    )  # fmt: skip
    profile.set_defaults(run=_profile)
    ready = commands.add_parser(
        "ready",
        help="whether everything that params name can be had",
        description="Look at every model and directory that params.yaml names, before any work is done.",
    )
    ready.set_defaults(run=_ready)
    search = commands.add_parser(
        "search", help="find videos by words", description="Rank the videos of the index by how well they fit words."
    )
    search.add_argument("words", nargs="+", help="what to look for")
    search.add_argument("-k", type=positive, default=10, metavar="N", help="how many videos (default: 10)")
    search.add_argument("--language", metavar="XX", help="only videos in this language, such as en")
    search.add_argument("--video-type", metavar="TYPE", help="only videos of this type, such as raw")
    search.add_argument("--vectors-only", action="store_true", help="leave the words of titles and transcripts out")
    search.add_argument(
        "--fusion",
        choices=("joint", "weights", "rrf", "entropy", "routed"),
        default="joint",
        help="rank by vectors of single modalities, where evaluate.fusion has them made (default: joint, the index's)",
    )
    search.add_argument("--json", action="store_true", help="print JSON instead of a table")
    search.add_argument(
        "--index",
        type=Path,
        default=Path("results/encode"),
        metavar="DIR",
        help="the encode stage's folder; the model is named by its neighbours base and train (default: results/encode)",
    )
    search.set_defaults(run=_search)
    add_commands(commands)
    add_matrix(commands)
    commands.add_parser("audit", help="what produced a score, is it intact, and can it be had again", add_help=False)
    return parser


def _assignment(text: str) -> tuple[str, object]:
    from tasks.shared.execution.params_file import assignment

    return assignment(text)


def _search(chosen: argparse.Namespace) -> int:
    from tasks.search import as_json, as_table, search

    words = " ".join(chosen.words)
    filters = {"language": chosen.language, "video_type": chosen.video_type}
    words_too = not chosen.vectors_only
    found = search(words, chosen.k, filters, chosen.index, by_words=words_too, fusion=chosen.fusion)
    print(as_json(words, found) if chosen.json else as_table(found))
    return 0


def _profile(chosen: argparse.Namespace) -> int:
    from tasks.shared.execution.profiles import choose, described, names

    if chosen.name is None:
        print("\n".join(described(name) for name in names()))
        return 0
    changed = choose(chosen.name, chosen.directory, dict(chosen.changes))
    for one in changed:
        print(f"{one.key}: {json.dumps(one.before)} -> {json.dumps(one.after)}")
    print(f"profile {chosen.name}: {len(changed)} params changed; `reeltrace ready` looks whether all can be had")
    return 0


def _ready(_: argparse.Namespace) -> int:
    from tasks.ready import as_table, look
    from tasks.shared.execution.params import load_params

    found = look(load_params())
    print(as_table(found))
    errors = [one.error for one in found if one.error]
    for error in errors:
        print(f"ready: {error}", file=sys.stderr)
    return max((error.exit_code for error in errors), default=0)


if __name__ == "__main__":
    main()
