"""Whether a flow run is to end: because a person cancelled it, or because its main thread is ending.

Prefect itself ends the processes of deployed runs only; a run that was started from a shell asks for itself.
"""

from __future__ import annotations

import threading
import time
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.runtime import flow_run

PAUSE = 2.0  # seconds between two questions to the server


class StoppedError(Exception):
    """The flow run is to end."""


class Stop:
    """The wish to end this flow run, as its threads see it."""

    def __init__(self) -> None:
        self._run = UUID(flow_run.id)
        self._asked = time.monotonic()
        self._lock = threading.Lock()
        self._set = threading.Event()

    def set(self) -> None:
        """Let every thread end."""
        self._set.set()

    def check(self) -> None:
        """Raise StoppedError when the run is to end; the server is asked now and then, and may be out of reach."""
        with self._lock:
            due = time.monotonic() - self._asked > PAUSE
            if due:
                self._asked = time.monotonic()
        if due and self._cancelled():
            self.set()
        if self._set.is_set():
            raise StoppedError("the run was cancelled")

    def _cancelled(self) -> bool:
        try:
            with get_client(sync_client=True) as client:
                state = client.read_flow_run(self._run).state
        except Exception:  # a server that is down for a while does not end the work
            return False
        return state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED)
