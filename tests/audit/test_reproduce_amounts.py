"""How much two files differ: differences that are put in are the ones that are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file

from tasks.audit.reproduce.amounts import Amount, amount
from tasks.shared.artifacts.scores import MEASURES, QueryScores, write_per_query
from tasks.shared.artifacts.vectors import Vectors, write_vectors
from tasks.shared.runtime.parquet import write_parquet


def test_weights(tmp_path: Path) -> None:
    weights = {"a.lora_A": torch.zeros(2, 3, dtype=torch.bfloat16), "b.lora_B": torch.ones(4), "empty": torch.zeros(0)}
    save_file(weights, tmp_path / "one.safetensors")
    other = {name: value.clone() for name, value in weights.items()}
    other["b.lora_B"][2] = 1.25
    other["a.lora_A"][0, 0] = -0.125
    save_file(other, tmp_path / "other.safetensors")
    found = amount(tmp_path / "one.safetensors", tmp_path / "other.safetensors")
    assert found == Amount("tensors", 2, 3, largest=0.25, where="b.lora_B")
    save_file(weights | {"b.lora_B": torch.ones(5)}, tmp_path / "longer.safetensors")
    assert "b.lora_B" in str(amount(tmp_path / "one.safetensors", tmp_path / "longer.safetensors").where)
    save_file({"b.lora_B": torch.ones(4)}, tmp_path / "fewer.safetensors")
    assert "which only one has" in str(amount(tmp_path / "one.safetensors", tmp_path / "fewer.safetensors").where)


def test_a_weight_that_is_no_number(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "one.safetensors")
    save_file({"a": torch.tensor([1.0, float("nan")])}, tmp_path / "other.safetensors")
    found = amount(tmp_path / "one.safetensors", tmp_path / "other.safetensors")
    assert (found.differing, found.where) == (1, "a")


def test_vectors(tmp_path: Path) -> None:
    before = np.eye(3, dtype=np.float32)
    after = before.copy()
    after[1] = [0.0, 0.8, 0.6]
    for folder, values in (("before", before), ("after", after)):
        write_vectors(tmp_path / folder, "tuned", "videos", Vectors(["v1", "v2", "v3"], values, ["1", "2", "3"]))
    name = "tuned.videos.parquet"
    found = amount(tmp_path / "before" / name, tmp_path / "after" / name)
    assert (found.of, found.differing, found.total, found.where) == ("vectors", 1, 3, "v2")
    assert found.largest == pytest.approx(0.6)
    assert found.lowest_cosine == pytest.approx(0.8)
    write_vectors(tmp_path / "fewer", "tuned", "videos", Vectors(["v1", "v3"], before[:2], ["1", "3"]))
    assert amount(tmp_path / "before" / name, tmp_path / "fewer" / name).differing == 3


def test_tables(tmp_path: Path) -> None:
    for folder, value in (("before", 0.5), ("after", 0.75)):
        scores = [QueryScores(one, "tuned", dict.fromkeys(MEASURES, 0.25)) for one in ("q1", "q2")]
        scores[1].values["AP"] = value
        write_per_query(tmp_path / folder, scores)
    found = amount(tmp_path / "before" / "per_query.parquet", tmp_path / "after" / "per_query.parquet")
    assert found == Amount("rows", 1, 2, largest=0.25, where="AP")
    write_parquet(tmp_path / "a.parquet", pa.table({"x": ["a", None, "c"]}))
    write_parquet(tmp_path / "b.parquet", pa.table({"x": ["a", "b"]}))
    write_parquet(tmp_path / "c.parquet", pa.table({"y": ["a"]}))
    assert amount(tmp_path / "a.parquet", tmp_path / "b.parquet") == Amount("rows", 3, 3)
    assert amount(tmp_path / "a.parquet", tmp_path / "c.parquet").where == "columns x, y"


def test_lines_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("one\ntwo\nthree\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("one\n2\nthree\nfour\n", encoding="utf-8")
    assert amount(tmp_path / "a.jsonl", tmp_path / "b.jsonl") == Amount("lines", 2, 3, where="from line 2")
    (tmp_path / "a.png").write_bytes(b"abcdef")
    (tmp_path / "b.png").write_bytes(b"abXdefgh")
    assert amount(tmp_path / "a.png", tmp_path / "b.png") == Amount("bytes", 3, 6, where="from byte 2")
