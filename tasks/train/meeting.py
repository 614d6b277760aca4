"""Where ranks of one machine meet: torch's key-value store at a port of 127.0.0.1.

torch's own rendezvous opens the store's port on every interface of the machine, for anyone.
"""

from __future__ import annotations

import os
import socket

from torch.distributed import TCPStore
from torch.distributed.elastic.rendezvous import RendezvousHandler, RendezvousInfo, RendezvousStoreInfo

LOOPBACK = "127.0.0.1"


class Meeting(RendezvousHandler):
    """A rendezvous of one elastic agent with itself."""

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
