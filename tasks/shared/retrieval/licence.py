"""The licence that a model's card states."""

from __future__ import annotations

import re

import yaml

from tasks.shared.runtime.hub import fetch
from tasks.shared.runtime.models import Model

CARD = "README.md"
FRONT = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)


def licence_of(model: Model) -> str | None:
    """The licence's id, as `cc-by-nc-4.0`, or the name that the card gives another; None where it states none.

    Raises UserError where the card's repository cannot be had.
    """
    if (file := fetch(model.location, model.revision, CARD)) is None:
        return None
    if (front := FRONT.match(file.read_text(encoding="utf-8", errors="replace"))) is None:
        return None
    try:
        stated = yaml.safe_load(front[1])
    except yaml.YAMLError:
        return None
    if not isinstance(stated, dict):
        return None
    named = stated.get("license_name") if stated.get("license") in (None, "other") else stated["license"]
    found = named or stated.get("license")
    if isinstance(found, list):
        found = ", ".join(map(str, found))
    return " ".join(str(found).split()) or None if found else None


def said(name: str, licence: str) -> str:
    """A sentence for who chose the model: `facebook/drama-1b is licensed cc-by-nc-4.0: for non-commercial use only`."""
    words = re.split(r"[^a-z0-9]+", licence.lower())
    only = ": for non-commercial use only" if "nc" in words or "noncommercial" in "".join(words) else ""
    return f"{name} is licensed {licence}{only}"
