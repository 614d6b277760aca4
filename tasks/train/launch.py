"""Starting the ranks of this machine, such that none of them outlives the stage.

They are started by torch's elastic agent, as torchrun does, but their key-value store listens on 127.0.0.1 alone.
Rank 0 has the stage's standard output and error; the output of the others is shown only where one of them ended the
training.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

from torch.distributed import TCPStore
from torch.distributed.elastic.agent.server.api import RunResult, WorkerSpec
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException, Std
from torch.distributed.elastic.rendezvous import RendezvousHandler, RendezvousInfo, RendezvousStoreInfo

from tasks.train.ranks import STARTER

LOOPBACK = "127.0.0.1"
POLL = 0.1  # seconds between two checks that all ranks are alive
GRACE = 4  # seconds that ranks have between being asked to end and being killed
ENDED = (-signal.SIGTERM, 128 + signal.SIGTERM)  # exit codes of ranks that the agent ended because of another
ONE_LINE = (2, os.EX_TEMPFAIL, 130)  # exit codes of a stage that reports its error in one line


class LocalRendezvous(RendezvousHandler):
    """The rendezvous of one elastic agent with itself, at a port of 127.0.0.1.

    torch's own rendezvous opens the store's port on every interface of the machine, for anyone.
    """

    use_agent_store = True

    def __init__(self) -> None:
        listening = socket.create_server((LOOPBACK, 0))
        port = listening.getsockname()[1]
        self._store = TCPStore(
            LOOPBACK, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach()
        )
        self._address = RendezvousStoreInfo(LOOPBACK, port)
        self._closed = False

    def get_backend(self) -> str:
        return "static"

    def get_run_id(self) -> str:
        return str(os.getpid())

    def next_rendezvous(self) -> RendezvousInfo:
        return RendezvousInfo(self._store, 0, 1, self._address)

    def is_closed(self) -> bool:
        return self._closed

    def set_closed(self) -> None:
        self._closed = True

    def num_nodes_waiting(self) -> int:
        return 0

    def shutdown(self) -> bool:
        self._closed = True
        return True


def launch(count: int) -> int:
    """Run `python -m tasks.train` as so many ranks until all have ended; the exit code of the one that decided it."""
    logging.disable()  # the agent's own messages
    os.environ[STARTER] = str(os.getpid())
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(name, _loopback())
    with tempfile.TemporaryDirectory(prefix="reeltrace-ranks-") as folder:
        spec = WorkerSpec(
            role="train",
            local_world_size=count,
            rdzv_handler=LocalRendezvous(),
            entrypoint=sys.executable,
            args=("-m", "tasks.train"),
            max_restarts=0,
            monitor_interval=POLL,
        )
        logs = DefaultLogsSpecs(folder, redirects=dict.fromkeys(range(1, count), Std.ALL))
        agent = LocalElasticAgent(spec, logs, exit_barrier_timeout=GRACE, shutdown_timeout=GRACE)
        try:
            return _code(agent.run(), Path(folder))
        except SignalException as ended:
            return 128 + ended.sigval
        except KeyboardInterrupt:
            return 128 + signal.SIGINT


def _code(result: RunResult, folder: Path) -> int:
    """The exit code, after printing the error where rank 0 has not."""
    if not result.is_failed():
        return 0
    own_failures = [one for one in result.failures.values() if one.exitcode not in ENDED]
    failures = own_failures or list(result.failures.values())
    # one that was still alive was killed after its grace, and rank 0 has printed its error by now
    first = min(failures, key=lambda one: (one.exitcode == -signal.SIGKILL, one.local_rank > 0, one.timestamp))
    rank, code = first.local_rank, int(first.exitcode)
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


def _loopback() -> str:
    return next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
