from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tasks.corpus import unpack as module
from tasks.corpus.unpack import left_out, unpacked
from tasks.shared.runtime.errors import UserError

CONTENT = {"000000/a.mp4": b"a" * 3000, "000000/b.mp4": b"b" * 700, "000000/a.m4a": b"sound"}


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def _tar(path: Path, content: dict[str, bytes], *special: tarfile.TarInfo) -> Path:
    mode = "w:gz" if path.suffix == ".gz" else "w"
    with tarfile.open(path, mode) as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in special:
            archive.addfile(member)
    return path


def _special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def _seen(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.startswith(".")}


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz"])
def test_members_lie_side_by_side_and_the_rest_is_named(tmp_path: Path, store: Path, name: str) -> None:
    tar = _tar(tmp_path / name, CONTENT, _special("000000/l.mp4", tarfile.SYMTYPE, "a.mp4"))
    folder = unpacked([tar], (".mp4",), 1)[tar]
    assert _seen(folder) == {"a.mp4": b"a" * 3000, "b.mp4": b"b" * 700}
    assert left_out(folder) == ["000000/a.m4a", "000000/l.mp4"]
    assert folder.parent == store / "unpacked"


def test_unpacked_once_whatever_the_tar_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar = _tar(tmp_path / "x.tar", CONTENT)
    copy = tmp_path / "y.tar"
    copy.write_bytes(tar.read_bytes())
    first = unpacked([tar], (".mp4",), 1)[tar]
    monkeypatch.setattr(module, "_unpack", lambda *_: pytest.fail("unpacked again"))
    assert unpacked([copy, tar], (".mp4",), 1) == {copy: first, tar: first}


def test_a_damaged_folder_is_made_again(tmp_path: Path) -> None:
    tar = _tar(tmp_path / "x.tar", CONTENT)
    folder = unpacked([tar], (".mp4",), 1)[tar]
    (folder / "a.mp4").write_bytes(b"short")
    (folder / "b.mp4").unlink()
    assert _seen(unpacked([tar], (".mp4",), 1)[tar]) == {"a.mp4": b"a" * 3000, "b.mp4": b"b" * 700}


@pytest.mark.parametrize("name", ["../evil.mp4", "/etc/evil.mp4", "000000/../../evil.mp4"])
def test_a_way_out_is_refused_and_nothing_is_left(tmp_path: Path, store: Path, name: str) -> None:
    tar = _tar(tmp_path / "x.tar", {**CONTENT, name: b"evil"})
    try:
        folder = unpacked([tar], (".mp4",), 1)[tar]
    except UserError as error:
        assert "unsafe member" in str(error)
        assert list((store / "unpacked").iterdir()) == []
    else:  # the data filter takes a leading / away
        assert name.startswith("/")
        assert folder / "evil.mp4" in folder.iterdir()
    assert not [path for path in tmp_path.rglob("evil.mp4") if store not in path.parents]
    assert not Path("/etc/evil.mp4").exists()


@pytest.mark.parametrize(
    "member",
    [
        _special("a.mp4", tarfile.SYMTYPE, "../../secret"),
        _special("a.mp4", tarfile.LNKTYPE, "/etc/passwd"),
        _special("a.mp4", tarfile.CHRTYPE),
    ],
)
def test_links_out_and_devices_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    tar = _tar(tmp_path / "x.tar", {}, member)
    with pytest.raises(UserError, match=r"x\.tar: unsafe member"):
        unpacked([tar], (".mp4",), 1)


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    tar = _tar(tmp_path / "x.tar", {"0/a.mp4": b"1", "1/a.mp4": b"2"})
    with pytest.raises(UserError, match=r"two members are named a\.mp4"):
        unpacked([tar], (".mp4",), 1)


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz"])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8])
def test_a_cut_tar_is_refused_wherever_it_is_cut(tmp_path: Path, store: Path, name: str, share: float) -> None:
    tar = _tar(tmp_path / name, {f"{n}.mp4": bytes([n]) * 900 for n in range(9)})
    size = tar.stat().st_size if name.endswith("gz") else 9 * 1536
    for cut in {int(share * size), int(share * size) // 512 * 512}:
        tar.write_bytes(tar.read_bytes()[:cut])
        with pytest.raises(UserError, match=r"is damaged .*download it again"):
            unpacked([tar], (".mp4",), 1)
    assert list((store / "unpacked").iterdir()) == []


def test_a_garbled_header_is_refused(tmp_path: Path) -> None:
    tar = _tar(tmp_path / "x.tar", CONTENT)
    content = bytearray(tar.read_bytes())
    content[3584:3600] = b"?" * 16  # the second member's header
    tar.write_bytes(content)
    with pytest.raises(UserError, match="no member and no end at byte 3584"):
        unpacked([tar], (".mp4",), 1)
