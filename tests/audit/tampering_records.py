"""Tamperings with dvc.lock and the manifests, and with an artifact and some of the records about it at once."""

from __future__ import annotations

import hashlib

import yaml

from tasks.shared.execution.pipeline import dvc_hash
from tests.audit.tamperer import Tamperer, Tampering


def edit_lock(t: Tamperer) -> Tampering:
    lock = yaml.safe_load(t.keep("dvc.lock").read_text(encoding="utf-8"))
    stage = t.random.choice(sorted(lock["stages"]))
    kind = t.random.choice(["outs", "deps", "params"])
    if kind == "params":
        params = lock["stages"][stage]["params"]["params.yaml"]
        key = t.random.choice(sorted(params))
        if isinstance(params[key], dict):
            inner = t.random.choice(sorted(params[key]))
            params[key][inner] = "another"
            key = f"{key}.{inner}"
        else:
            params[key] = "another" if isinstance(params[key], str | list) else params[key] + 1
    else:
        entry = t.random.choice(lock["stages"][stage][kind])
        key, other = entry["path"], t.random.choice(lock["stages"][stage][kind])
        suffix = ".dir" if entry["md5"].endswith(".dir") else ""
        made_up = t.random.randbytes(16).hex() + suffix
        entry["md5"] = other["md5"] if other["md5"] != entry["md5"] and t.random.random() < 0.3 else made_up
        if other["md5"].endswith(".dir") != bool(suffix):
            entry["md5"] = made_up
    (t.root / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False), encoding="utf-8")
    return Tampering("dvc.lock edited", (f"dvc.lock {stage} {kind} {key}",))


def edit_manifest(t: Tamperer) -> Tampering:
    stage = t.random.choice(sorted({path.split("/")[1] for path in t.files}))
    manifest = t.manifest(stage)
    what = t.random.choice(["outputs", "inputs", "counts", "params", "code", "output gone", "output added"])
    if what in ("outputs", "inputs", "output gone") and manifest[what.split()[0].rstrip("s") + "s"]:
        table = manifest[what.split()[0].rstrip("s") + "s"]
        path = t.random.choice(sorted(table))
        if what == "output gone":
            del table[path]
        else:
            table[path]["sha256"] = t.random.randbytes(32).hex()
    elif what == "output added":
        manifest["outputs"][f"results/{stage}/ghost"] = {"sha256": "0" * 64, "bytes": 1}
    elif what == "params" and manifest["params"]:
        manifest["params"]["run.seed"] = 99
    elif what == "code" and manifest["code"]:
        manifest["code"][t.random.choice(sorted(manifest["code"]))] = "0" * 64
    else:
        manifest["counts"]["videos"] = manifest["counts"].get("videos", 0) + 1
    return Tampering("manifest edited", (t.write_manifest(stage, manifest),))


def forge(t: Tamperer) -> Tampering:
    """An artifact is edited and its manifest made to agree; some of what follows is made to agree as well."""
    path = t.random.choice(
        [
            one
            for one in t.files
            if one in t.manifest(one.split("/")[1])["outputs"] and not one.endswith("files.parquet")
        ]
    )
    stage = path.split("/")[1]
    content = t.keep(path).read_bytes() + b"\n"
    (t.root / path).write_bytes(content)
    manifest = t.manifest(stage)
    manifest["outputs"][path] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    own = t.write_manifest(stage, manifest)
    touched = []
    digests = {one: hashlib.sha256((t.root / one).read_bytes()).hexdigest() for one in (path, own)}
    readers = sorted({one.split("/")[1] for one in t.files} - {stage})
    for reader in t.random.sample(readers, len(readers))[: t.random.randrange(3)]:
        theirs = t.manifest(reader)
        if there := [one for one in digests if one in theirs["inputs"]]:
            for one in there:
                theirs["inputs"][one]["sha256"] = digests[one]
            touched.append(t.write_manifest(reader, theirs))
    relocked: tuple[str, ...] = ()
    if t.random.random() < 0.4:
        relocked = relock(t, stage)
    return Tampering("artifact and manifests forged in part", (path, own, *touched), relocked)


def republish(t: Tamperer, *paths: str) -> tuple[str, ...]:
    """Make the manifest of a stage and dvc.lock agree with files of it that were changed; what that touches."""
    stage = paths[0].split("/")[1]
    manifest = t.manifest(stage)
    for path in paths:
        content = (t.root / path).read_bytes()
        manifest["outputs"][path] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return (*paths, t.write_manifest(stage, manifest), *relock(t, stage))


def relock(t: Tamperer, stage: str) -> tuple[str, ...]:
    """Make dvc.lock agree with the outputs of a stage; its entries."""
    lock = yaml.safe_load(t.keep("dvc.lock").read_text(encoding="utf-8"))
    for out in lock["stages"][stage]["outs"]:
        out["md5"] = dvc_hash(t.root / out["path"])
    (t.root / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False), encoding="utf-8")
    return tuple(f"dvc.lock {stage} outs {out['path']}" for out in lock["stages"][stage]["outs"])
