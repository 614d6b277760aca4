"""The processes of one training, called ranks: which this one is, what rank 0 sends the others, and their group.

Whoever starts them (torchrun, `accelerate launch`, `tasks.train.launch`) numbers them in the environment, as torch
agreed on: RANK of WORLD_SIZE, LOCAL_RANK of LOCAL_WORLD_SIZE on its machine, GROUP_RANK for the machine.

Rank 0 is the stage: it alone reads the store, reports and publishes, and sends the others the plan. Ranks communicate
through torch's key-value store until they know their GPUs, and as a group of torch.distributed after that.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.gpu import VISIBLE

if TYPE_CHECKING:
    from torch.distributed import Store

PLAN = "plan"
PATIENCE = timedelta(days=7)  # for rank 0, which may wait for GPUs that others hold
ECHO = 10.0  # seconds in which a launcher ends the ranks that another rank's death has left waiting
STARTER = "REELTRACE_STARTER"  # the process id of the launcher that started the ranks here
PR_SET_PDEATHSIG = 1


Plan = dict[str, str | None]  # what rank 0 sends: the `key` of the adapter to train, the `checkpoint` to resume from


@dataclass
class Ranks:
    """This process among the ranks; alone unless the environment says otherwise."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1
    machine: int = 0
    _sent: bool = field(default=False, init=False)

    @staticmethod
    def started() -> bool:
        """Whether this process was started as a rank."""
        return {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= os.environ.keys()

    @classmethod
    def here(cls) -> Ranks:
        """What the environment says of this process. Raises UserError where that is no number."""
        if not cls.started():
            return cls()
        names = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "GROUP_RANK": "0"}
        try:
            return cls(*(int(os.environ.get(name, default)) for name, default in names.items()))
        except ValueError:
            found = ", ".join(f"{name}={os.environ.get(name)}" for name in names)
            raise UserError(f"the environment numbers no ranks ({found}); start them with torchrun") from None

    @cached_property
    def _store(self) -> Store:
        from torch.distributed import rendezvous

        store: Store = next(iter(rendezvous("env://")))[0]
        return store

    def _set(self, name: str, value: Any) -> None:
        self._store.set(name, json.dumps(value))

    def _get(self, name: str) -> Any:
        self._store.wait([name], PATIENCE)
        return json.loads(self._store.get(name))

    def broadcast(self, plan: Plan | None) -> None:
        """Send the others the plan, or None: there is nothing to train. Only the first call counts. For rank 0."""
        if self.count > 1 and not self._sent:
            self._sent = True
            self._set(PLAN, plan)

    def receive(self) -> Plan | None:
        """Wait for what rank 0 broadcasts. For the others."""
        return self._get(PLAN)

    def device(self, take: Callable[[int], list[str]]) -> str | None:
        """This rank's device: its own GPU of those that the first rank of its machine takes for all, or the CPU; None
        where the rank is alone: the best that it sees. `take`, called on the first rank of a machine, holds so many
        GPUs and makes them alone visible, as `StageRun.take_gpus` does."""
        place = f"gpus/{self.machine}"
        if self.local_rank == 0:
            taken = take(self.local_count)
            if self.count > 1:
                self._set(place, taken)
        elif taken := self._get(place):
            os.environ[VISIBLE] = ",".join(taken)
        if self.count == 1:
            return None
        return f"cuda:{self.local_rank}" if taken else "cpu"

    @contextmanager
    def group(self, device: str | None) -> Iterator[None]:
        """The group of torch.distributed that all ranks are of in the block, NCCL's on GPUs and Gloo's without. When
        one rank ends, exchanges with it fail on all others. So an error, unless the user's mistake, waits a moment for
        the launcher to end this process too, so that the first error is the one that is shown."""
        if self.count == 1:
            yield
            return
        from torch import cuda, distributed

        if device != "cpu":
            cuda.set_device(device)
        backend = "gloo" if device == "cpu" else "nccl"
        store = distributed.PrefixStore("group", self._store)
        try:
            distributed.init_process_group(backend, store=store, rank=self.rank, world_size=self.count)
            yield
        except UserError:
            raise
        except Exception:
            time.sleep(ECHO)
            raise
        distributed.destroy_process_group()


def end_with_launcher() -> None:
    """Exit with the usual code on SIGTERM, and at once when the launcher that started this rank has died."""
    signal.signal(signal.SIGTERM, _exit)
    if (starter := os.environ.get(STARTER)) is None:
        return
    with suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(starter):
        os._exit(128 + signal.SIGKILL)


def _exit(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)
