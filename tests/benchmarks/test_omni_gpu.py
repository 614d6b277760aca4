"""The GPU benchmark, rehearsed on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.omni_gpu import HEADER, Measure, main, peak_of, table
from benchmarks.omni_shapes import SEVEN_B, build, parameters, sizes, videos


def test_the_tiny_size_is_measured_on_a_cpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    written = tmp_path / "found.json"
    asked = ["--size", "tiny", "--encode", "1", "2", "--train", "1", "--repeats", "1", "--peak-tflops", "1"]
    assert main([*asked, "--json", str(written)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"CPU (1 TFLOP/s at its peak), float32, torch {torch.__version__}, transformers ")
    lines = [line for line in said if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1, "aligned"
    grid = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert grid[0] == HEADER
    assert [row[:3] for row in grid[2:]] == [["encode", "sdpa", "1"], ["encode", "sdpa", "2"], ["train", "sdpa", "1"]]

    found = json.loads(written.read_text())
    assert (found["device"], found["size"]) == ("CPU", "tiny")
    one, two, step = found["rows"]
    for row in found["rows"]:
        assert row["seconds"] * row["steps_per_second"] == pytest.approx(1)
        assert row["memory_gib"] is None
        assert row["note"] == ""
    assert two["videos_per_second"] == pytest.approx(2 * two["steps_per_second"])
    assert step["videos_per_second"] == pytest.approx(4 * step["steps_per_second"])
    assert one["mfu"] == one["hfu"] > 0
    assert two["mfu"] * two["seconds"] == pytest.approx(2 * one["mfu"] * one["seconds"])
    assert step["hfu"] > 1.1 * step["mfu"]
    assert step["mfu"] * step["seconds"] > 6 * one["mfu"] * one["seconds"], "four videos, and backward too"


def test_without_cuda_the_real_size_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        "omni_gpu: no CUDA device; run it where there is one, or rehearse on the CPU with --size tiny\n"
    )
    assert captured.out == ""


def test_help_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--size tiny" in capsys.readouterr().out


def test_no_memory_is_a_row_and_any_other_error_is_none() -> None:
    measure = Measure("sdpa", "cpu", repeats=1, peak=None)
    row = measure("encode", 64, 64, lambda: torch.empty(1 << 50), 1.0, 1.0)
    assert (row.note, row.batch, row.seconds) == ("out of memory", 64, None)
    assert "| encode | sdpa      |    64 |      - |" in table([row])
    with pytest.raises(RuntimeError, match="size of tensor"):
        measure("encode", 1, 1, lambda: torch.ones(2) + torch.ones(3), 1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989.4),
        ("NVIDIA H20", 148.0),
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA A100-SXM4-80GB", 311.9),
        ("NVIDIA A10G", 70.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA L40S", 362.1),
        ("Tesla V100", None),
    ],
)
def test_the_peak_is_that_of_the_devices_name(name: str, peak: float | None) -> None:
    assert peak_of(name) == peak


def test_the_real_size_is_the_published_one() -> None:
    model = build(SEVEN_B, attention="sdpa", dtype=torch.bfloat16, device="meta")
    counts = parameters(model)
    assert counts["language model"] == SEVEN_B.published["language model"]
    for name, known in SEVEN_B.published.items():
        assert counts[name] == pytest.approx(known, rel=0.01)
    (video,) = sizes(model, videos(SEVEN_B, 1))
    assert video.grid == (12, 20, 20)
    assert video.mel == 6000
    assert 512 + 1200 + 1500 < video.tokens < 512 + 1200 + 1500 + 60
