"""Serving every deployment from this workspace: `python -m flows.serve`, until it is stopped.

When it stops, runs in progress are cancelled, as by a click, and schedules stay as they are.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from flows.deployments import Deployment, read_prefect_file, runner_deployment, set_schedules
from flows.params import load_flow_params
from flows.recovery import mark_crashed, skip_missed
from flows.server import require_server
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.runner import Runner

RETRIES = "8"  # of a request, the last after four minutes: a server may be away for twenty before runs are given up
CANCEL_SECONDS = 40.0  # in which running flows are to be cancelled
ASK_SECONDS = 2.0  # between two questions whether the server answers


def main() -> None:
    """Serve until stopped, which is exit 0; a user's mistake is one line and exit 2."""
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", RETRIES)
    try:
        asyncio.run(_serve(read_prefect_file(load_flow_params()).deployments))
    except UserError as error:
        print(f"serve: {error}", file=sys.stderr)
        sys.exit(2)


async def _serve(stated: Sequence[Deployment]) -> None:
    """Serve until a signal; where the server stays away for long, wait for it and begin again."""
    stop = asyncio.Event()
    _stop_on_signals(stop)
    await require_server()
    while not stop.is_set():
        serving = await _started(stated, stop)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *serving.values()], return_when=asyncio.FIRST_COMPLETED)
        await _end(serving)
        if not stop.is_set():
            print("serve: the Prefect server has not answered for long; waiting for it", file=sys.stderr, flush=True)
            await _wait_for_server(stop)


async def _started(stated: Sequence[Deployment], stop: asyncio.Event) -> dict[Runner, asyncio.Task[None]]:
    runners = await register(stated)
    serving = {runner: asyncio.create_task(runner.start()) for runner in runners}
    while not all(runner.started for runner in runners) and not any(task.done() for task in serving.values()):
        await asyncio.sleep(0.05)
    _stop_on_signals(stop)  # again: a runner's own handler leaves its runs as running
    return serving


async def _end(serving: Mapping[Runner, asyncio.Task[None]]) -> None:
    """End runners, which cancels their runs; without a server the processes of runs are ended all the same."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CANCEL_SECONDS):
            await asyncio.gather(*(runner.astop() for runner in serving if runner.started))
    for task in serving.values():
        task.cancel()
    await asyncio.gather(*serving.values(), return_exceptions=True)


async def _wait_for_server(stop: asyncio.Event) -> None:
    """Wait until the server answers, or `stop` is set."""
    while not stop.is_set():
        try:
            await require_server()
        except UserError:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), ASK_SECONDS)
        else:
            return


def _stop_on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def register(stated: Sequence[Deployment]) -> list[Runner]:
    """Register the deployments, and put right what an earlier serving left; a runner a tag, of one run at a time."""
    from prefect.client.orchestration import get_client
    from prefect.runner import Runner

    runners: dict[str, Runner] = {}
    served: list[UUID] = []
    print(f"serving from {Path.cwd()}; Ctrl-C ends it and leaves schedules as they are")
    async with get_client() as client:
        for one in stated:
            runner = runners.setdefault(one.tags[0], Runner(one.tags[0], limit=1, pause_on_shutdown=False))
            served.append(await runner.aadd_deployment(runner_deployment(one)))
            await set_schedules(client, served[-1], one.schedules)
            print(f"  {one.full_name:24} {_schedules_text(await client.read_deployment(served[-1]))}", flush=True)
        await mark_crashed(client, served)
        await skip_missed(client, served)
    return list(runners.values())


def _schedules_text(known: DeploymentResponse) -> str:
    """A deployment's schedules as the server has them."""
    from prefect.client.schemas.schedules import CronSchedule

    schedules = [
        (
            f"{one.schedule.cron} {one.schedule.timezone}"
            if isinstance(one.schedule, CronSchedule)
            else "a schedule made there"
        )
        + ("" if one.active and not known.paused else ", paused")
        for one in known.schedules
    ]
    return "; ".join(schedules) or "by a click"


if __name__ == "__main__":
    main()
