"""Errors that are shown as one line, with the exit code that tells a scheduler whether to try again."""

from __future__ import annotations

import argparse
import errno
import os
from typing import ClassVar


class UserError(Exception):
    """Something the user can correct: a wrong param, a missing file, bad data. The message is one line that says what
    is wrong, with which item, and what to do. Entry points print it without a stack trace and exit with `exit_code`."""

    exit_code: ClassVar[int] = 2


class TransientError(UserError):
    """A fault of another machine after which a later try may succeed: a hub that cannot be reached or is too busy."""

    exit_code = os.EX_TEMPFAIL  # 75


def disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a full disk or quota. Libraries in Rust and C++ raise classes of their
    own, in which only the system's message is left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def positive(text: str) -> int:
    """A whole number above 0 on a command line, as a type of argparse."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
