"""Single files of a model, from its directory or from the Hugging Face hub, and the licence that its card states."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tasks.shared.runtime.errors import TransientError, UserError
from tasks.shared.runtime.models import Model, is_transient

CARD = "README.md"
FRONT = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)


def fetch(name_or_path: str, revision: str | None, filename: str) -> Path | None:
    """A file of a model; None where the model has no such file. Raises UserError where the model is not available, and
    TransientError where a later try may succeed."""
    folder = Path(name_or_path)
    if folder.is_dir():
        return folder / filename if (folder / filename).is_file() else None
    if folder.is_absolute() or name_or_path.count("/") != 1 or name_or_path.startswith("."):
        raise UserError(f"no model directory {name_or_path}; make it, or name a hub id (owner/name) in params.yaml")
    from huggingface_hub import errors as hub
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # it would print the whole error at every retry; the last one is reported below
    try:
        return Path(hf_hub_download(name_or_path, filename, revision=revision))
    except hub.LocalEntryNotFoundError as error:
        away = f"model {name_or_path} is not in the cache and the hub cannot be reached;"
        if is_transient(error):
            raise TransientError(f"{away} try again later, or download it to a directory and name that") from None
        raise UserError(f"{away} download it to a directory and name that") from None
    except hub.RevisionNotFoundError:
        raise UserError(f"model {name_or_path} has no revision {revision}; name one of its commits") from None
    except hub.GatedRepoError:
        raise UserError(
            f"model {name_or_path} is gated: ask for access on its page at the hub, and log in with `hf auth login`"
        ) from None
    except hub.RepositoryNotFoundError:
        raise UserError(f"no model {name_or_path} on the hub, or only after a login; mend its name or log in") from None
    except hub.EntryNotFoundError:
        return None
    except Exception as error:
        if is_transient(error):
            raise TransientError(f"model {name_or_path} cannot be loaded: {_line(error)}; try again later") from None
        if not isinstance(error, (hub.HFValidationError, OSError)):
            raise
        raise UserError(f"model {name_or_path} cannot be loaded: {_line(error)}") from None


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def licence_of(model: Model) -> str | None:
    """The licence's id, as `cc-by-nc-4.0`, or the name that the card gives another; None where it states none. Raises
    UserError where the card's repository is not available."""
    file = fetch(model.location, model.revision, CARD)
    front = FRONT.match(file.read_text(encoding="utf-8", errors="replace")) if file else None
    try:
        stated = yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError:
        return None
    if not isinstance(stated, dict):
        return None
    named = stated.get("license_name") if stated.get("license") in (None, "other") else stated["license"]
    found = named or stated.get("license") or ""
    return " ".join((", ".join(map(str, found)) if isinstance(found, list) else str(found)).split()) or None


def format_licence(name: str, licence: str) -> str:
    """A sentence for the user: `facebook/drama-1b is licensed cc-by-nc-4.0: for non-commercial use only`."""
    words = re.split(r"[^a-z0-9]+", licence.lower())
    only = ": for non-commercial use only" if "nc" in words or "noncommercial" in "".join(words) else ""
    return f"{name} is licensed {licence}{only}"
