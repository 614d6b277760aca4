"""Starting the ranks of this machine, such that none of them outlives the stage.

They are started with the environment that torchrun gives, but torch's key-value store, through which they meet, is here
and listens on 127.0.0.1 alone. Rank 0 has the stage's standard output and error; the output of the others is shown only
where one of them ended the training.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from torch.distributed import TCPStore

from tasks.train.ranks import STARTER

LOOPBACK = "127.0.0.1"
POLL = 0.1  # seconds between two checks that all ranks are alive
GRACE = 4.0  # seconds that ranks have between being asked to end and being killed
ONE_LINE = (2, os.EX_TEMPFAIL, 130)  # exit codes of a stage that reports its error in one line


def launch(count: int) -> int:
    """Run `python -m tasks.train` as so many ranks until all have ended; the exit code of the one that decided it."""
    listening = socket.create_server((LOOPBACK, 0))
    port = listening.getsockname()[1]
    # torch's own rendezvous opens its port on every interface of the machine, for anyone
    store = TCPStore(LOOPBACK, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach())
    shared = {
        STARTER: str(os.getpid()), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "GROUP_RANK": "0",
        "MASTER_ADDR": LOOPBACK, "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True",
    }  # fmt: skip
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
    signal.signal(signal.SIGTERM, _exit)
    ranks: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="reeltrace-ranks-") as folder:
        try:
            for rank in range(count):
                environment = {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback} | os.environ | shared
                environment |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                with (Path(folder) / str(rank)).open("wb") as log:
                    said = log if rank else None
                    command = [sys.executable, "-m", "tasks.train"]
                    ranks.append(subprocess.Popen(command, env=environment, stdout=said, stderr=said))
            failed: dict[int, int] = {}
            while not failed and any(rank.poll() is None for rank in ranks):
                time.sleep(POLL)
                failed = {number: code for number, rank in enumerate(ranks) if (code := rank.poll())}
        except KeyboardInterrupt:  # the ranks have it too, and rank 0 says so
            _wait(ranks)
            failed = {0: 128 + signal.SIGINT}
        finally:
            for one in ranks:
                one.terminate()
            _wait(ranks)
            for one in ranks:
                one.kill()
                one.wait()
        if not failed:
            return 0
        first = min(failed)  # rank 0 has printed its error by now
        return _report(first, failed[first], Path(folder) / str(first))


def _report(rank: int, code: int, log: Path) -> int:
    """The exit code, after printing the error where rank 0 has not."""
    if code < 0:
        ended = f"rank {rank} was ended by {signal.Signals(-code).name}"
        print(f"train: {ended}; if memory ran out, lower train.mini_batch_size", file=sys.stderr)
        return 128 - code
    if rank > 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join(lines[-1:] if code in ONE_LINE else lines), file=sys.stderr)
    return code


def _wait(ranks: Sequence[subprocess.Popen[bytes]]) -> None:
    """Give ranks their grace to end."""
    until = time.monotonic() + GRACE
    for rank in ranks:
        with suppress(subprocess.TimeoutExpired):
            rank.wait(max(0.0, until - time.monotonic()))


def _exit(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)
