"""The section `flows` of params.yaml: what is wrong is one line before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.params import FlowParams, load_flow_params
from tasks.shared.execution.params_file import overridden
from tasks.shared.runtime.errors import UserError
from tests.project import ROOT

RAW = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def written(tmp_path: Path, key: str, value: Any) -> Path:
    """params.yaml as it is committed, with another value at one key of the section."""
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(overridden(RAW, {f"flows.{key}": value})), encoding="utf-8")
    return path


def test_the_committed_file_is_valid() -> None:
    assert load_flow_params(ROOT / "params.yaml") == FlowParams.model_validate(RAW["flows"])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("nightly", "0 25 * * *", "nightly = '0 25 * * *': not a cron expression; write minute, hour"),
        ("nightly", "0 2 * *", "nightly = '0 2 * *': not a cron expression"),
        ("nightly", "H 2 * * *", "nightly = 'H 2 * * *': not a cron expression"),
        ("weekly", "", "weekly = '': not a cron expression"),
        ("weekly", "0 0 30 2 *", "weekly = '0 0 30 2 *': no such day exists"),
        ("weekly", "0 0 31 4,6,9 *", "no such day exists"),
        ("timezone", "Europe/Berln", "timezone = 'Europe/Berln': no timezone has this name"),
        ("timezone", "Europe", "timezone = 'Europe': no timezone has this name"),
        ("timezone", "/etc/passwd", "no timezone has this name"),
        ("time_limits", {"trian": 5}, "time_limits = {'trian': 5}: no stage is named trian; did you mean train?"),
        ("time_limits", {"document": 5}, "no stage is named document"),
        ("time_limits", {"train": 0}, "time_limits.train = 0: input should be greater than 0"),
        ("time_limit_minutes", 0, "time_limit_minutes = 0: input should be greater than 0"),
        ("mlflow_page", "127.0.0.1:5000", "mlflow_page = '127.0.0.1:5000': write it as http://"),
        ("mlflow_page", "http://a b", "mlflow_page = 'http://a b': write it as http://"),
        ("mlflow_page", "http://a/", "mlflow_page = 'http://a/': write it as http://"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_key(tmp_path: Path, key: str, value: Any, words: str) -> None:
    path = written(tmp_path, key, value)
    with pytest.raises(UserError) as caught:
        load_flow_params(path)
    assert words in str(caught.value) and str(caught.value).startswith(f"{path}: flows.")
    assert "\n" not in str(caught.value)


def test_every_key_is_required_and_no_other_is_there(tmp_path: Path) -> None:
    path = written(tmp_path, "nigthly", None)
    with pytest.raises(UserError, match=r"unknown key flows\.nigthly; did you mean nightly\?"):
        load_flow_params(path)
    for key in RAW["flows"]:
        path.write_text(yaml.safe_dump({"flows": {one: RAW["flows"][one] for one in RAW["flows"] if one != key}}))
        with pytest.raises(UserError, match=rf"flows\.{key} is missing; add it"):
            load_flow_params(path)
    path.write_text("run: {}\n")
    with pytest.raises(UserError, match="flows is missing; add it"):
        load_flow_params(path)
    path.write_text("- a\n")
    with pytest.raises(UserError, match="expected sections, found list"):
        load_flow_params(path)


def test_what_is_not_scheduled_and_limits_of_single_stages(tmp_path: Path) -> None:
    assert load_flow_params(written(tmp_path, "nightly", None)).nightly is None
    assert load_flow_params(written(tmp_path, "nightly", "*/15 8-18/2 1,15 jan-mar,DEC mon-fri")).nightly
    assert load_flow_params(written(tmp_path, "time_limits", {"train": 90})).time_limits == {"train": 90.0}
    assert load_flow_params(written(tmp_path, "mlflow_page", "https://mlflow.example.org/team")).mlflow_page
