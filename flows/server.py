"""Where the Prefect server is, and whether it answers."""

from __future__ import annotations

import asyncio
import os
import sys

from tasks.shared.runtime.errors import UserError


def api_url() -> str:
    """Where the Prefect server is. Raises UserError where nobody says."""
    if not (url := os.environ.get("PREFECT_API_URL")):
        raise UserError("PREFECT_API_URL does not say where the Prefect server is; `make` does, or export it")
    return url


def require_named_server() -> None:
    """Exit with one line and 2 where the environment names a Prefect server that does not answer.

    Where it names none, Prefect starts one for the run alone.
    """
    try:
        if os.environ.get("PREFECT_API_URL"):
            asyncio.run(require_server())
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


async def require_server() -> None:
    """Raise UserError where no Prefect server answers."""
    from prefect.client.orchestration import get_client

    url = api_url()
    async with get_client() as client:
        if await client.api_healthcheck() is not None:
            raise UserError(f"no Prefect server answers at {url}; start one with `make ui`, or mend PREFECT_API_URL")
