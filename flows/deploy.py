"""Giving every deployment to the workers of a work pool: `python -m flows.deploy POOL`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from shlex import quote

from flows.deployments import PrefectFile, read_prefect_file, runner_deployment, set_schedules
from flows.params import load_flow_params
from flows.server import require_server
from tasks.shared.runtime.errors import UserError


def main() -> None:
    """Register them; a user's mistake is one line and exit 2."""
    parser = argparse.ArgumentParser(prog="python -m flows.deploy", description=__doc__)
    parser.add_argument("pool", help="name of the work pool")
    pool = parser.parse_args().pool
    try:
        asyncio.run(_deploy(read_prefect_file(load_flow_params()), pool))
    except UserError as error:
        print(f"deploy: {error}", file=sys.stderr)
        sys.exit(2)


async def _deploy(stated: PrefectFile, pool: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate
    from prefect.exceptions import ObjectNotFound

    await require_server()
    async with get_client() as client:
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound:
            raise UserError(
                f"there is no work pool {quote(pool)}; `make worker POOL={quote(pool)}` in a worker's clone makes it"
            ) from None
        for one in stated.deployments:
            deployment_id = await runner_deployment(one, pool).aapply()
            await client.update_deployment(deployment_id, DeploymentUpdate(pull_steps=stated.pull))
            await set_schedules(client, deployment_id, one.schedules)
            print(f"{one.full_name} is for the workers of {pool}")


if __name__ == "__main__":
    main()
