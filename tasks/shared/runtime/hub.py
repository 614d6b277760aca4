"""Single files of a model, from its directory or from the Hugging Face hub, before any of it is loaded."""

from __future__ import annotations

from pathlib import Path

from tasks.shared.runtime.errors import TransientError, UserError
from tasks.shared.runtime.models import passing


def fetch(name_or_path: str, revision: str | None, filename: str) -> Path | None:
    """A file of a model, None where the model has none. Raises UserError where the model cannot be had at all, and
    TransientError where that may pass."""
    folder = Path(name_or_path)
    if folder.is_dir():
        return folder / filename if (folder / filename).is_file() else None
    if folder.is_absolute() or name_or_path.count("/") != 1 or name_or_path.startswith("."):
        raise UserError(f"no model directory {name_or_path}; make it, or name a hub id (owner/name) in params.yaml")
    from huggingface_hub import errors as hub
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # of every try again it would print the whole error; the last one is told below
    try:
        return Path(hf_hub_download(name_or_path, filename, revision=revision))
    except hub.LocalEntryNotFoundError as error:
        away = f"model {name_or_path} is not in the cache and the hub cannot be reached;"
        if passing(error):
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
        if passing(error):
            raise TransientError(f"model {name_or_path} cannot be loaded: {_line(error)}; try again later") from None
        if not isinstance(error, (hub.HFValidationError, OSError)):
            raise
        raise UserError(f"model {name_or_path} cannot be loaded: {_line(error)}") from None


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
