"""Programs of tests that start at once: forks of a process that has imported the large packages.

torch, transformers and their like take six to nine seconds of a processor to import, several times what most stages
of a small project take. One process per test session imports them, and none of the project's code. A folder holds a
program `python` that, found on PATH before Python itself, asks that process for a fork, which has the caller's
directory, environment, arguments and standard streams, and ends with its exit code. Where a program asks for what a
fork can't have (it is a script, or has other thread counts or settings of Python), and where no such process is, the
real Python takes its place.

Tests of what is left when a program is killed start the real Python: a fork is no child of the program that asked.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "torch", "torch.distributed.tensor", "transformers.models.qwen2_5_omni.modeling_qwen2_5_omni",
    "transformers.models.qwen2_5_omni.processing_qwen2_5_omni", "sentence_transformers", "peft", "scipy.stats",
    "pyarrow.parquet", "sqlalchemy.orm", "pydantic", "av", "PIL.Image", "faster_whisper", "rich.progress",
    "dvc.cli", "dvc.repo", "dvc.commands.repro",
)  # fmt: skip
FOLDER = "REELTRACE_WARM"  # environment variable: the folder with `python` and the socket, where there is one
READ_AT_START = (  # beginnings of variables
    "PYTHON", "OMP_", "MKL_", "OPENBLAS_", "ONEDNN_", "HF_", "TRANSFORMERS_", "TORCH", "LD_", "LANG", "LC_",
)  # fmt: skip
OWN = ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")  # done by the fork itself
ASKS = """import json, os, signal, socket, sys

def real():
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])

def decides(environment):
    return {{k: v for k, v in environment.items() if k.startswith({read!r}) and k not in {own!r}}}

if sys.argv[1:2] not in (["-m"], ["-c"]) or decides(os.environ) != {decided!r}:
    real()
one = socket.socket(socket.AF_UNIX)
try:
    one.connect({address!r})
except OSError:
    real()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: one.sendall(bytes([number])))
asked = json.dumps({{"arguments": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}}).encode()
socket.send_fds(one, [len(asked).to_bytes(4, "big")], [0, 1, 2])
one.sendall(asked)
code = one.recv(4)
if not code:
    sys.exit(1)
code = int.from_bytes(code, "big", signed=True)
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def python() -> str:
    """The Python for programs that nobody kills: the one that starts at once, where the session has it."""
    return str(Path(os.environ[FOLDER]) / "python") if FOLDER in os.environ else sys.executable


@contextmanager
def started(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Make the folder with the program `python`, for programs that have this environment, and end the process."""
    folder.mkdir()
    program = folder / "python"
    program.touch(mode=0o755)
    if sys.platform != "linux":  # others can't wait for a process and a socket at once
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        yield
        return
    place = tempfile.TemporaryDirectory(prefix="reeltrace-")  # the name of a socket may not be long
    address = f"{place.name}/socket"
    decided = {name: value for name, value in environment.items() if name.startswith(READ_AT_START) and name not in OWN}
    asks = folder / "asks.py"
    asks.write_text(ASKS.format(python=sys.executable, read=READ_AT_START, own=OWN, decided=decided, address=address))
    program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-IS", str(asks)])} "$@"\n')
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"], cwd=ROOT, env=dict(environment) | {"PYTHONPATH": ""},
            stdin=listening.fileno(), stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        place.cleanup()


def serve() -> NoReturn:
    """Import, and fork for whoever asks."""
    for package in PACKAGES:
        importlib.import_module(package)
    listening = socket.socket(fileno=0)
    while True:
        asking, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(asking)
        asking.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(asking: socket.socket) -> NoReturn:
    """Run what is asked for in a fork of this fork, which passes signals on and waits for its end."""
    length, streams, _, _ = socket.recv_fds(asking, 4, 3)
    wanted, size = b"", int.from_bytes(length, "big")
    while len(wanted) < size:
        if not (more := asking.recv(size - len(wanted))):
            os._exit(1)  # who asked is gone
        wanted += more
    asked = json.loads(wanted)
    program = os.fork()
    if program == 0:
        asking.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        _run(**asked)
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(program)
    while ended not in select.select([ended, asking], [], [])[0]:
        number = asking.recv(1)
        os.kill(program, number[0] if number else signal.SIGKILL)
        if not number:  # who asked is gone
            break
    _, status = os.waitpid(program, 0)
    with suppress(OSError):
        asking.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


def _run(arguments: list[str], directory: str, environment: dict[str, str]) -> NoReturn:
    """What Python does with `-m` and `-c`."""
    os.setsid()
    os.chdir(directory)
    os.environ.clear()
    os.environ |= environment
    own = [one for one in sys.path if one and one != str(ROOT)]
    given = [one for one in environment.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = [*([] if environment.get("PYTHONSAFEPATH") else [directory]), *given, *own]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    at_once = bool(environment.get("PYTHONUNBUFFERED"))
    sys.stdout = TextIOWrapper(FileIO(1, "w", closefd=False), encoding="utf-8", write_through=at_once)
    sys.stderr = TextIOWrapper(FileIO(2, "w", closefd=False), "utf-8", "backslashreplace", line_buffering=True)
    code: Any = 0
    how, what, *rest = arguments
    sys.argv = [what if how == "-m" else how, *rest]
    try:
        if how == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        code = ended.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    serve()
