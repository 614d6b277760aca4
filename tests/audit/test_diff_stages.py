"""Where two states part, on small pipelines made by hand."""

from __future__ import annotations

from pathlib import Path

from tasks.audit.diff.answer import headline
from tasks.audit.diff.pair import Pair
from tasks.audit.diff.stages import StageDifference, causes, environments, stage_differences
from tasks.lineage.model import Execution, Run
from tests.audit.states import made, state


def compared(a: list[Execution], b: list[Execution]) -> dict[str, StageDifference]:
    found = stage_differences(Pair(state(Path("A"), *a), state(Path("B"), *b)))
    return {one.stage: one for one in found}


def diamond(left: int, right: int, **join: object) -> list[Execution]:
    """Top feeds left and right, which both feed join; a stage's file is as its param says."""
    top = made("top", outputs={"results/top/t": "t"})
    sides = [
        made(
            name,
            params={name: {"n": n}},
            reads={"results/top/t": "t"},
            outputs={f"results/{name}/o": f"{name}{n}"},
        )
        for name, n in (("left", left), ("right", right))
    ]
    return [
        top,
        *sides,
        made(
            "join",
            reads={f"results/{one.stage}/o": one.generated[f"results/{one.stage}/o"].sha256 for one in sides},
            outputs={"results/join/o": f"{left}{right}"},
            **join,  # type: ignore[arg-type]
        ),
    ]


def test_two_stages_of_a_diamond_part_at_once() -> None:
    found = compared(diamond(1, 1), diamond(2, 2))
    assert {name: one.kind for name, one in found.items()} == {
        "top": "same",
        "left": "parts",
        "right": "parts",
        "join": "inherited",
    }
    assert found["join"].inherits == ["left", "right"]
    assert [(one.key, one.a, one.b) for one in found["left"].differs["params"]] == [("left.n", 1, 2)]
    said = headline(list(found.values()), None, scored=True)
    assert "part at left: left.n 1 -> 2, and at right: right.n 1 -> 2" in said


def test_what_inherits_names_its_own_differences_too() -> None:
    found = compared(diamond(1, 1), diamond(2, 1, params={"join": {"k": 3}}, components={"numpy": "2"}))["join"]
    assert (found.kind, found.inherits) == ("inherited", ["left"])
    assert causes(found) == "join.k none -> 3, numpy none -> 2"


def test_code_alone_and_version_alone_part() -> None:
    one, two = {"results/mine/n": "1"}, {"results/mine/n": "2"}
    code = compared(
        [made("mine", code={"a.py": "1"}, outputs=one)], [made("mine", code={"a.py": "2", "b.py": "3"}, outputs=two)]
    )["mine"]
    assert (code.kind, causes(code)) == ("parts", "2 code files")
    assert [(each.key, each.how) for each in code.differs["code"]] == [("a.py", "changed"), ("b.py", "added")]
    version = compared(
        [made("mine", components={"torch": "1"}, outputs=one)], [made("mine", components={"torch": "2"}, outputs=two)]
    )["mine"]
    assert (version.kind, causes(version)) == ("parts", "torch 1 -> 2")


def test_an_external_input_parts() -> None:
    found = compared(
        [made("corpus", reads={"videos/a.mp4": "1", "videos/b.mp4": "1"}, outputs={"results/corpus/m": "1"})],
        [made("corpus", reads={"videos/a.mp4": "2"}, outputs={"results/corpus/m": "2"})],
    )["corpus"]
    assert (found.kind, found.inherits) == ("parts", [])
    assert causes(found) == "videos/a.mp4 changed, videos/b.mp4 removed"


def test_the_same_result_by_other_code_hands_on_the_same_content() -> None:
    """Mine reads transcribe's manifest, whose digest differs by the code; what it names does not."""

    def chain(code: str, margin: float | None) -> list[Execution]:
        first = made("transcribe", code={"a.py": code}, outputs={"results/transcribe/t": "t"})
        second = made(
            "mine",
            params={"mine": {"margin": margin}},
            reads={"results/transcribe/manifest.json": first.digest},
            outputs={"results/mine/n": f"{margin}"},
        )
        return [first, second]

    found = compared(chain("1", None), chain("2", 0.05))
    assert (found["transcribe"].kind, found["mine"].kind) == ("same result", "parts")
    said = headline(list(found.values()), None, scored=True)
    assert said.startswith("they part at mine: mine.margin null -> 0.05; same result, made differently: transcribe;")
    alike = compared(chain("1", None), chain("2", None))
    assert alike["mine"].kind == "same result" and causes(alike["mine"]) == "its manifest only"


def test_other_bytes_from_equal_work_are_not_explained_away() -> None:
    a = made("train", outputs={"results/train/w": "1"})
    b = made("train", outputs={"results/train/w": "2"})
    found = compared([a], [b])
    said = headline(list(found.values()), None, scored=True)
    assert "train: other bytes from the same params, code, versions and inputs" in said


def test_a_file_that_only_one_side_made_is_inherited_and_one_that_only_one_side_read_is_not() -> None:
    def chain(files: dict[str, str], read: dict[str, str]) -> list[Execution]:
        return [made("train", outputs=files), made("encode", reads=read, outputs={"results/encode/v": str(read)})]

    one, two = {"results/train/a": "1"}, {"results/train/a": "1", "results/train/b": "2"}
    more = compared(chain(one, one), chain(two, two))["encode"]
    assert (more.kind, more.inherits, causes(more)) == ("inherited", ["train"], "")
    read = compared(chain(two, one), chain(two, two))["encode"]
    assert (read.kind, causes(read)) == ("parts", "results/train/b added")


def test_a_missing_stage_is_unknown_and_says_where() -> None:
    top, left, right, join = diamond(1, 1)
    found = compared([top, left, right, join], [top, right])
    assert found["left"].kind == "unknown" and found["left"].reason == "B: B has no stage left"
    assert found["right"].kind == "same"


def test_environments_differ_only_where_no_run_has_what_another_had() -> None:
    def runs(*tags: dict[str, str]) -> list[Run]:
        return [Run("r", "mine", "FINISHED", None, None, None, None, False, "", one) for one in tags]

    a = runs({"env.host": "one", "env.python": "3.11"}, {"env.host": "two", "env.python": "3.11"})
    b = runs({"env.host": "two", "env.python": "3.12", "git.commit": "x"})
    found = environments(a, b)
    assert [(one.key, one.a, one.b) for one in found] == [("env.python", ["3.11"], ["3.12"])]
