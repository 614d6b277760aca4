"""The parent of a program's process group: it ends the whole group when its own starter says so, or is gone.

Run as a script, by `programs.run` alone: `python -I -S supervise.py GRACE COMMAND...`. It needs no package, so that it
starts in a hundredth of a second, and lives in a session of its own, so that no Ctrl-C and no kill of the starter's
group reaches it. Its standard input is a pipe that only the starter holds open: end of file, be it closed or the
starter killed, means to end the group. Locks that it inherits are thereby held until the last process is gone.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

INTERRUPTED = 130  # as a shell says of Ctrl-C
NOT_STARTED = 127
PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.05  # between two checks of what is left


def main() -> int:
    """Run the command; its exit code (128 + the signal's number where it died of one), or 130 where it was ended."""
    grace, command = float(sys.argv[1]), sys.argv[2:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignore)  # a handler, which unlike "ignore" the program does not inherit
    _adopt_orphans()
    try:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return NOT_STARTED
    code = None
    while (code := program.poll()) is None:
        if select.select([sys.stdin.fileno()], [], [], POLL_SECONDS)[0]:
            break
    if code is None:
        _end(program, grace)
        return INTERRUPTED
    _kill(program)
    return code if code >= 0 else 128 - code


def _ignore(*_: object) -> None:
    """Ignore a signal: only the starter's pipe ends the group."""


def _adopt_orphans() -> None:
    """Where the system can, become the parent of orphans below, so that dead ones leave the group at once."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end(program: subprocess.Popen[bytes], grace: float) -> None:
    """Interrupt the group, and kill what is left of it after its grace."""
    _signal(program.pid, signal.SIGINT)
    until = time.monotonic() + grace
    while time.monotonic() < until and _left(program):
        time.sleep(POLL_SECONDS)
    _kill(program)


def _kill(program: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the group, and wait until it is gone."""
    while _left(program):
        _signal(program.pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _left(program: subprocess.Popen[bytes]) -> bool:
    """Whether the group has a process that is not reaped yet."""
    program.poll()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return _signal(program.pid, 0)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # gone; some systems refuse where only the dead are left
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
