"""Whether a flow run was cancelled: by a person on the server, or by its own main thread.

Prefect ends the processes of deployed runs only; a run that was started from a shell asks the server itself.
"""

from __future__ import annotations

import threading
import time
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.runtime import flow_run

ASK_SECONDS = 2.0  # between two questions to the server


class RunCancelledError(Exception):
    """The flow run was cancelled."""


class Cancellation:
    """Whether this flow run was cancelled, for all of its threads."""

    def __init__(self) -> None:
        self._run = UUID(flow_run.id)
        self._asked = time.monotonic()
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Cancel the run: `check` raises in every thread from now on."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise RunCancelledError where the run was cancelled. Asks the server every few seconds; it may be down."""
        with self._lock:
            due = time.monotonic() - self._asked > ASK_SECONDS
            if due:
                self._asked = time.monotonic()
        if due and self._cancelled_on_server():
            self.cancel()
        if self._cancelled.is_set():
            raise RunCancelledError("the run was cancelled")

    def _cancelled_on_server(self) -> bool:
        try:
            with get_client(sync_client=True) as client:
                state = client.read_flow_run(self._run).state
        except Exception:  # a server that is down for a while does not end the work
            return False
        return state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED)
