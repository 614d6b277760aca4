"""A program that starts at once does what it does when Python itself starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import python

PROGRAMS = {
    "standard streams": "import sys; print(sys.stdin.read()); print('é', file=sys.stderr)",
    "arguments": "import sys; print(sys.argv)",
    "directory and environment": "import os; print(os.getcwd(), os.environ['GIVEN'], os.environ.get('LEFT_OUT'))",
    "a module beside it": "import beside; print(beside.__file__, __name__)",
    "exit code": "import sys; sys.exit(3)",
    "exit with a message": "import sys; sys.exit('no such thing')",
    "an error": "raise ValueError('wrong')",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "at the end": "import atexit, threading, time; atexit.register(print, 'last');"
    "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_it_is_no_other(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside.py").touch()
    monkeypatch.setenv("LEFT_OUT", "1")
    environment = {name: value for name, value in os.environ.items() if name != "LEFT_OUT"} | {"GIVEN": "a\nb"}
    outcomes = []
    for one in (python(), sys.executable):
        done = subprocess.run(
            [one, "-c", program, "one argument", "-m"], cwd=tmp_path, env=environment, input="words\n",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        outcomes.append((done.returncode, done.stdout, done.stderr.splitlines()[-1:]))
    assert outcomes[0] == outcomes[1]
