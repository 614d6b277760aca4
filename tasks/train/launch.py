"""Starting the ranks of this machine, and that none of them outlives the stage.

They are started by torch's elastic agent, as torchrun does, but meet at a port of 127.0.0.1 alone. Rank 0 has the
stage's standard output and error; what the others print is shown only where one of them ended the training.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from torch.distributed.elastic.agent.server.api import RunResult

STARTER = "REELTRACE_STARTER"  # the process id of who started the ranks here
LOOK = 0.1  # seconds between two looks at whether all ranks are alive
GRACE = 4  # seconds that ranks have between being asked to end and being killed
ENDED = (-signal.SIGTERM, 128 + signal.SIGTERM)  # exit codes of ranks that the agent ended because of another
ONE_LINE = (2, os.EX_TEMPFAIL, 130)  # exit codes of a stage that says why in one line
PR_SET_PDEATHSIG = 1


def launch(count: int) -> int:
    """Run `python -m tasks.train` as so many ranks until all have ended; the exit code of the one that decided it."""
    from torch.distributed.elastic.agent.server.api import WorkerSpec
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException, Std

    from tasks.train.meeting import Meeting

    logging.disable()  # the agent's own account of it
    os.environ[STARTER] = str(os.getpid())
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(name, _loopback())
    with tempfile.TemporaryDirectory(prefix="reeltrace-ranks-") as folder:
        spec = WorkerSpec(
            role="train",
            local_world_size=count,
            rdzv_handler=Meeting(),
            entrypoint=sys.executable,
            args=("-m", "tasks.train"),
            max_restarts=0,
            monitor_interval=LOOK,
        )
        said = DefaultLogsSpecs(folder, redirects=dict.fromkeys(range(1, count), Std.ALL))
        agent = LocalElasticAgent(spec, said, exit_barrier_timeout=GRACE, shutdown_timeout=GRACE)
        try:
            return _code(agent.run(), Path(folder))
        except SignalException as ended:
            return 128 + ended.sigval
        except KeyboardInterrupt:
            return 128 + signal.SIGINT


def _code(result: RunResult, folder: Path) -> int:
    """The exit code, after saying what rank 0 could not."""
    if not result.is_failed():
        return 0
    by_themselves = [one for one in result.failures.values() if one.exitcode not in ENDED]
    failures = by_themselves or list(result.failures.values())
    decided = min(failures, key=lambda one: (one.local_rank > 0, one.timestamp))  # rank 0 has said why by now
    rank, code = decided.local_rank, int(decided.exitcode)
    if code < 0:
        name = signal.Signals(-code).name
        print(
            f"train: rank {rank} was ended by {name}; if memory ran out, lower train.mini_batch_size", file=sys.stderr
        )
        return 128 - code
    if rank > 0:
        (file,) = folder.glob(f"*/*/{rank}/stderr.log")
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join(lines[-1:] if code in ONE_LINE else lines), file=sys.stderr)
    return code


def bound() -> None:
    """For a rank: end in good order when its launcher asks, and at once when `launch` that started it is gone."""
    signal.signal(signal.SIGTERM, _leave)
    if (starter := os.environ.get(STARTER)) is None:
        return
    with suppress(OSError, AttributeError):  # where the system can
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(starter):
        os._exit(128 + signal.SIGKILL)


def _leave(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def _loopback() -> str:
    return next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
