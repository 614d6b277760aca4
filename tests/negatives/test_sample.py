"""A sample of negatives for people to judge, and what they judged read back."""

from __future__ import annotations

import csv
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from tasks.lineage.open import workspace
from tasks.negatives.data import NegativesData, read_data
from tasks.negatives.facts import Fact, facts_of
from tasks.negatives.sample import guarded, guarded_id, rate_of, read_judgments, unguarded, write_sample
from tasks.shared.artifacts.negatives import MinedQuery
from tasks.shared.runtime.errors import UserError
from tests.negatives.small_results import lay, media, mined, query, said, video

COLUMNS = (
    "query_id", "query", "video_id", "title", "transcript", "video", "frames", "score", "rank", "stratum", "relevant",
    "mine_manifest",
)  # fmt: skip
NASTY = '=HYPERLINK("http://x","a"),\r\n\t"b"\u2028;ü 火 \x00'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two strata: 20 negatives far below the positive, 4 above it."""
    monkeypatch.chdir(tmp_path)
    queries = [f"{number:04}" for number in range(4)]
    far, near = [f"-far{number}" for number in range(20)], [f"@near{number}" for number in range(4)]
    found: list[MinedQuery] = [
        mined(name, {near[place]: 0.9, **dict.fromkeys(far[place::4], 0.1)}, {"a": 0.5})
        for place, name in enumerate(queries)
    ]
    lay(
        tmp_path,
        [video(name, title=NASTY, language="en") for name in ["a", *far, *near]],
        [query(name, "+1 \"red\" boat", language="en") for name in queries],
        found,
        extracted=[media("@near0", frames="frames/n.png", frames_sha256="n", times=[0.0])],
        transcripts=[said("@near0", "=1+1 " + "word " * 200)],
    )  # fmt: skip
    return tmp_path


def here_now() -> tuple[NegativesData, list[Fact]]:
    data = read_data(workspace())
    return data, facts_of(data, data.mined, compared=False)


def write(path: Path, count: int = 3) -> list[dict[str, str]]:
    write_sample(*here_now(), path, count)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def judge(path: Path, rows: list[dict[str, str]], answers: list[str], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS, delimiter=delimiter)
        table.writeheader()
        table.writerows([row | {"relevant": answer} for row, answer in zip(rows, answers, strict=True)])
    return path


def read(path: Path) -> dict[str, Any]:
    return read_judgments(*here_now(), path)


@pytest.mark.parametrize("text", ["=1", "+1", "-a", "@a", "\ta", "'a", "''a", "＝1", "plain", "", "0012", "a'b"])
def test_guarding_is_undone(text: str) -> None:
    for cell in (guarded(text), guarded_id(text)):
        assert unguarded(cell) == text
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
    assert not guarded_id(text)[:1].isdigit()


def test_the_file_opens_right(here: Path) -> None:
    path = here / "s.csv"
    rows = write(path)
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == len(rows) + 1 == content.count(b"\n")  # a line a row
    assert [tuple(row) for row in rows] == [COLUMNS] * 6
    for row in rows:
        for name, cell in row.items():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (name, cell)
    first = next(row for row in rows if unguarded(row["video_id"]) == "@near0")
    assert unguarded(first["query_id"]) == "0000"
    assert first["query"] == '\'+1 "red" boat'
    assert unguarded(first["title"]) == " ".join(NASTY.split())
    assert first["transcript"].startswith("'=1+1 word") and len(first["transcript"]) == 301
    assert (first["frames"], first["video"]) == ("results/extract/frames/n.png", "/videos/@near0.mp4")
    assert (first["score"], first["rank"], first["relevant"]) == ("0.900000", "1", "")
    assert first["stratum"] == "above, same language, unknown event"
    assert {row["mine_manifest"] for row in rows} == {workspace().execution("mine").digest}


def test_it_is_drawn_alike_and_larger_holds_smaller(here: Path) -> None:
    one, again, more = (write(here / f"{n}.csv", size) for n, size in enumerate((3, 3, 5)))
    assert one == again
    assert len(one) == 6 and len(more) == 4 + 5
    assert all(row in more for row in one)
    far = [fact for fact in here_now()[1] if fact.band == "below"]
    digests = {sha256(f"7\n{fact.query_id}\n{fact.video_id}".encode()).digest(): fact.video_id for fact in far}
    drawn = {unguarded(row["video_id"]) for row in one if row["stratum"].startswith("below")}
    assert drawn == {digests[digest] for digest in sorted(digests)[:3]}


def test_a_file_is_not_overwritten(here: Path) -> None:
    write(here / "s.csv")
    with pytest.raises(UserError, match="may have been judged"):
        write(here / "s.csv")


def test_no_folder(here: Path) -> None:
    (here / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(here / "file" / "s.csv")


def test_wilson() -> None:
    for yes, count in ((0, 10), (1, 10), (5, 10), (10, 10), (3, 200)):
        expected = stats.binomtest(yes, count).proportion_ci(method="wilson")
        found = rate_of(yes / count, count)
        assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high), abs=1e-12)
    # by hand: z^2 / n = 0.38415, (0.1 + 0.19207 -+ 1.96 sqrt(0.009 + 0.0096037)) / 1.38415
    assert rate_of(0.1, 10) == pytest.approx({"rate": 0.1, "low": 0.01787, "high": 0.40415}, abs=1e-5)
    assert rate_of(0, 0) == {"rate": None, "low": None, "high": None}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rates_weighted_by_strata(here: Path, delimiter: str) -> None:
    rows = sorted(write(here / "s.csv", 4), key=lambda row: row["stratum"])  # 4 above, then 4 below
    assert [row["stratum"].split(",")[0] for row in rows] == ["above"] * 4 + ["below"] * 4
    found = read(judge(here / "j.csv", rows, ["yes", "YES ", "no", "unsure", "no", "no", "", "yes"], delimiter))
    above, below = found["strata"]
    names = ("size", "yes", "no", "unsure", "rate")
    assert [above[name] for name in names] == [4, 2, 1, 1, pytest.approx(2 / 3)]
    assert [below[name] for name in names] == [20, 1, 2, 0, pytest.approx(1 / 3)]
    overall, effective = found["overall"], 24**2 / (4**2 / 3 + 20**2 / 3)
    assert overall["rate"] == pytest.approx((4 * 2 / 3 + 20 * 1 / 3) / 24)
    assert found["effective"] == pytest.approx(effective)
    assert {name: overall[name] for name in ("rate", "low", "high")} == rate_of(overall["rate"], found["effective"])
    assert found["summary"].startswith(f"false negatives: {overall['rate']:.1%} [{overall['low']:.1%}, ")
    assert (found["covered"], found["empty"]) == (1, 1)
    assert {one["video_id"] for one in found["relevant"]} == {
        unguarded(rows[place]["video_id"]) for place in (0, 1, 7)
    }  # fmt: skip


def test_strata_that_nobody_judged_are_told(here: Path) -> None:
    rows = sorted(write(here / "s.csv", 2), key=lambda row: row["stratum"])
    found = read(judge(here / "j.csv", rows, ["no", "no", "", "unsure"]))
    assert found["overall"]["rate"] == 0 and found["covered"] == pytest.approx(4 / 24)
    assert found["strata"][1]["rate"] is None
    unsure = read(judge(here / "u.csv", rows, ["unsure", "", "", ""]))
    assert unsure["overall"]["rate"] is None and "false negatives: unknown" in unsure["summary"]


def test_mistakes_are_told_by_line(here: Path) -> None:
    rows = write(here / "s.csv", 3)
    blank = [""] * len(rows)
    with pytest.raises(UserError, match=r"a\.csv:3: relevant is .maybe.; write yes, no, unsure or nothing"):
        read(judge(here / "a.csv", rows, ["yes", "maybe", *blank[2:]]))
    with pytest.raises(UserError, match=r"b\.csv:2: nothing is not a mined negative of query 0000"):
        read(judge(here / "b.csv", [rows[0] | {"video_id": "nothing"}, *rows[1:]], ["yes", *blank[1:]]))
    with pytest.raises(UserError, match=r"c\.csv:3: the same negative"):
        read(judge(here / "c.csv", [rows[0], rows[0]], ["yes", "no"]))
    with pytest.raises(UserError, match=r"d\.csv:4: drawn from other negatives \(mine feed\)"):
        read(judge(here / "d.csv", [*rows[:2], rows[2] | {"mine_manifest": "feed"}], ["yes", "no", "no"]))
    with pytest.raises(UserError, match="has no judgment"):
        read(judge(here / "e.csv", rows, blank))


def test_other_files(here: Path) -> None:
    for name, content, message in (
        ("none.csv", None, "cannot be read"),
        ("empty.csv", b"", "has no rows with query_id"),
        ("header.csv", b"query_id,video_id,relevant,mine_manifest\n", "has no rows with"),
        ("other.csv", b"a,b\n1,2\n", "has no rows with query_id"),
        ("latin.csv", "query_id,ü\n".encode("latin-1"), "latin.csv: not UTF-8"),
        ("short.csv", b"query_id,video_id,relevant,mine_manifest\n\nx,y\n", "short.csv:3: not 4 fields"),
        ("quote.csv", b'query_id,video_id,relevant,mine_manifest\n"x"y,a,b,c\n', "quote.csv:2: not CSV .*after"),
    ):
        if content is not None:
            (here / name).write_bytes(content)
        with pytest.raises(UserError, match=message):
            read(here / name)


def test_negatives_that_changed(here: Path) -> None:
    path = here / "s.csv"
    rows = write(path)
    lay(here, [video("a"), video("b")], [query("q")], [mined("q", {"b": 0.1}, {"a": 0.5})])
    with pytest.raises(UserError, match="name their state with --rev"):
        read(judge(here / "j.csv", rows, ["yes"] * len(rows)))
