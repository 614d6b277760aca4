"""The processes of one training, called ranks: which this one is, what rank 0 tells the others, and their group.

Whoever starts them (torchrun, `accelerate launch`, `tasks.train.launch`) numbers them in the environment, as torch
agreed on: RANK of WORLD_SIZE, LOCAL_RANK of LOCAL_WORLD_SIZE on its machine, GROUP_RANK for the machine.

Rank 0 is the stage: it alone reads the store, reports and publishes, and says what the others are to do. They talk
through torch's key-value store until they know their GPUs, and as a group of torch.distributed after that.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.gpu import VISIBLE

if TYPE_CHECKING:
    from torch.distributed import Store

PLAN = "plan"
PATIENCE = timedelta(days=7)  # for rank 0, which may wait for GPUs that others hold
ECHO = 10.0  # seconds in which a launcher ends what another rank's death has left without an answer


class Plan(TypedDict):
    """What rank 0 says: the key of what is to be learnt, and the checkpoint to go on from."""

    key: str
    checkpoint: str | None


@dataclass
class Ranks:
    """This process among the ranks; alone unless the environment says otherwise."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1
    machine: int = 0
    _said: bool = field(default=False, init=False)

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
            said = ", ".join(f"{name}={os.environ.get(name)}" for name in names)
            raise UserError(f"the environment numbers no ranks ({said}); start them with torchrun") from None

    @cached_property
    def _store(self) -> Store:
        from torch.distributed import rendezvous

        store: Store = next(iter(rendezvous("env://")))[0]
        return store

    def _say(self, name: str, value: Any) -> None:
        self._store.set(name, json.dumps(value))

    def _hear(self, name: str) -> Any:
        self._store.wait([name], PATIENCE)
        return json.loads(self._store.get(name))

    def say(self, plan: Plan | None) -> None:
        """Tell the others what to learn, or None: nothing. Only the first word counts. For rank 0 alone."""
        if self.count > 1 and not self._said:
            self._said = True
            self._say(PLAN, plan)

    def hear(self) -> Plan | None:
        """What rank 0 says, whenever it does. For the others."""
        plan: Plan | None = self._hear(PLAN)
        return plan

    def device(self, take: Callable[[int], list[str]]) -> str | None:
        """Where this rank computes: its own GPU of those that the first rank of its machine takes for all, or the CPU.

        None where the rank is alone: on the best device that it sees.

        Args:
            take: holds so many GPUs and makes them alone visible, as `StageRun.take_gpus` does. Called on the first
                rank of a machine.
        """
        place = f"gpus/{self.machine}"
        if self.local_rank == 0:
            taken = take(self.local_count)
            if self.count > 1:
                self._say(place, taken)
        elif taken := self._hear(place):
            os.environ[VISIBLE] = ",".join(taken)
        if self.count == 1:
            return None
        return f"cuda:{self.local_rank}" if taken else "cpu"

    @contextmanager
    def group(self, device: str | None) -> Iterator[None]:
        """The group of torch.distributed that all ranks are of in the block, NCCL's on GPUs and Gloo's without.

        When one rank ends, exchanges with it fail on all others. So an error, unless the user's mistake, waits a moment
        for the launcher to end this process too: what is told then is what came first.
        """
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
