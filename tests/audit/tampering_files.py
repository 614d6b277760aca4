"""Tamperings with the files of the results: any file by its bytes, some by what they say."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.audit.tamperer import Tamperer, Tampering, flipped


def flip(t: Tamperer) -> Tampering:
    path = t.file()
    t.keep(path).write_bytes(flipped((t.root / path).read_bytes(), t.random))
    return Tampering("byte flipped", (path,))


def truncate(t: Tamperer) -> Tampering:
    path = t.file()
    content = t.keep(path).read_bytes()
    (t.root / path).write_bytes(content[: t.random.randrange(len(content))])
    return Tampering("file truncated", (path,))


def append(t: Tamperer) -> Tampering:
    path = t.file(least=0)
    place = t.keep(path)
    place.write_bytes(place.read_bytes() + t.random.randbytes(t.random.randint(1, 9)))
    return Tampering("bytes appended", (path,))


def delete(t: Tamperer) -> Tampering:
    path = t.file(least=0)
    t.keep(path).unlink()
    return Tampering("file deleted", (path,))


def swap(t: Tamperer) -> Tampering:
    while True:
        one, other = t.file(least=0), t.file(least=0)
        contents = [t.keep(path).read_bytes() for path in (one, other)]
        if contents[0] != contents[1]:
            break
    (t.root / one).write_bytes(contents[1])
    (t.root / other).write_bytes(contents[0])
    return Tampering("two files swapped", (one, other))


def relink(t: Tamperer) -> Tampering:
    path = t.file()
    place = t.keep(path)
    place.unlink()
    place.symlink_to(t.random.choice(["/nowhere/at/all", str((t.root / "params.yaml").resolve())]))
    return Tampering("file replaced by a link", (path,))


def add(t: Tamperer) -> Tampering:
    stage = t.random.choice(["corpus", "extract", "train", "encode", "evaluate", "report"])
    name = t.random.choice(
        [
            f"{stage}/extra.bin", f"{stage}/.hidden", f"{stage}/new folder/ü.txt", f".{stage}.partial/loss.csv",
            "unknown/file", "note.txt", f"{stage}/empty",
        ]
    )  # fmt: skip
    path = f"results/{name}"
    t.make(t.root / path).write_bytes(b"" if name.endswith("empty") else t.random.randbytes(20))
    return Tampering("file added", (path,))


def add_link(t: Tamperer) -> Tampering:
    path = f"results/{t.random.choice(['train', 'corpus', 'report'])}/link"
    target = t.random.choice(["/nowhere/at/all", str((t.root / "tasks").resolve()), "manifest.json"])
    t.make(t.root / path).symlink_to(target)
    return Tampering("link added", (path,))


def edit_negative(t: Tamperer) -> Tampering:
    path = "results/mine/negatives.jsonl"
    rows = [json.loads(line) for line in t.keep(path).read_text(encoding="utf-8").splitlines()]
    row = t.random.choice([one for one in rows if one["negatives"]])
    negative = t.random.choice(row["negatives"])
    how = t.random.randrange(3)
    if how == 0:
        row["negatives"].remove(negative)
    elif how == 1:
        negative["score"] += 0.001
    else:
        negative["video_id"] = t.random.choice(row["positives"] or ["nobody"])
    (t.root / path).write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return Tampering("negative edited", (path,))


def edit_table(t: Tamperer) -> Tampering:
    tables = [one for one in t.files if one.endswith(".parquet")]
    path = t.random.choice([one for one in tables if pq.read_metadata(t.root / one).num_rows])
    table = pq.read_table(t.keep(path))
    name = t.random.choice(table.column_names)
    values = table.column(name).to_pylist()
    place = t.random.randrange(len(values))
    kept = values[place]
    values[place] = _other(kept)
    if values[place] == kept:
        values[place] = None
    changed = table.set_column(
        table.column_names.index(name), table.schema.field(name), pa.array(values, table.schema.field(name).type)
    )
    if changed.equals(table):
        changed = table.slice(1)
    pq.write_table(changed, t.root / path, compression="zstd")
    return Tampering("table cell edited", (path,))


def _other(value: Any) -> Any:
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return value[::-1] if value[::-1] != value else value[:-1]
    return value


def edit_number(t: Tamperer) -> Tampering:
    path = "results/evaluate/metrics.json"
    scores = json.loads(t.keep(path).read_text(encoding="utf-8"))
    system = t.random.choice(sorted(scores["systems"]))
    measure = t.random.choice(sorted(scores["systems"][system]))
    scores["systems"][system][measure] += t.random.choice([1e-15, 0.01, -0.3])
    (t.root / path).write_text(json.dumps(scores, indent=2, sort_keys=True) + " \n", encoding="utf-8")
    return Tampering("score edited", (path,))


def edit_line(t: Tamperer) -> Tampering:
    path = t.random.choice([one for one in t.files if one.endswith((".trec", "loss.csv", "systems.csv"))])
    lines = t.keep(path).read_text(encoding="utf-8").splitlines(keepends=True)
    lines.insert(t.random.randrange(len(lines)), lines.pop(0)) if t.random.random() < 0.5 else lines.pop()
    text = "".join(lines)
    if text.encode() == (t.root / path).read_bytes():
        text += "\n"
    (t.root / path).write_text(text, encoding="utf-8")
    return Tampering("line moved or deleted", (path,))


def replace_adapter(t: Tamperer) -> Tampering:
    path = "results/train/adapter/adapter_model.safetensors"
    content = t.keep(path).read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    (t.root / path).write_bytes(content[:header] + t.random.randbytes(len(content) - header))
    return Tampering("adapter replaced", (path,))


def change_video(t: Tamperer) -> Tampering:
    path = t.random.choice([one for one in t.files if one.startswith("results/corpus/videos/")])
    content = t.keep(path).read_bytes()
    changed = t.random.choice([flipped(content, t.random), content[::-1], content + b"\0"])
    (t.root / path).write_bytes(changed)
    return Tampering("source video changed", (path,))
