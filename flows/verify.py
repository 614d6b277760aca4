"""The verification as a Prefect flow: `reeltrace audit verify` of the workspace, its findings where people look."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.states import Cancelled, Completed, Failed, State

from flows.cancellation import Cancellation, RunCancelledError
from tasks.audit.text import plain
from tasks.audit.verify.answer import Answer, Finding, parse_answer
from tasks.shared.execution.programs import run
from tasks.shared.execution.repro import stage_environment
from tasks.shared.runtime.locks import WORKSPACE, holder_of, take

COMMAND = (sys.executable, "-m", "tasks.cli", "audit", "verify", "--json")
TRY_SECONDS = 1.0  # between two tries to lock the workspace
MOST_FINDINGS = 1000  # findings in an artifact; all of them are in the run's log


@flow(name="verify", persist_result=False)
def verify() -> State[Any]:
    """Whether every byte, index row and metric of the workspace is what was recorded; fails where one is not."""
    root = Path.cwd()
    printed: list[str] = []
    document: list[str] = []  # the answer, which is printed last

    def line(text: str) -> None:
        if document or text == "{":
            document.append(text)
        else:
            printed.append(text)
            get_run_logger().info(text)

    cancellation = Cancellation()
    try:
        with _workspace(root, cancellation) as lock:
            code = run(
                COMMAND, root=root, environment=stage_environment(root), line=line, tick=cancellation.check, held=[lock]
            )
    except RunCancelledError as error:
        return Cancelled(message=str(error))
    except KeyboardInterrupt:
        return Cancelled(message="interrupted")
    if not document:
        return Failed(message=f"nothing was verified: {printed[-1] if printed else f'exit code {code}'}")
    answer = parse_answer("\n".join(document))
    _log(answer)
    _publish(answer)
    if answer.intact:
        return Completed(message=answer.verdict)
    first = answer.findings[0]
    several = f"{len(answer.findings)} findings, the first" if len(answer.findings) > 1 else "1 finding"
    return Failed(message=f"{several}: {first.kind}: {plain(first.where)}")


@contextmanager
def _workspace(root: Path, cancellation: Cancellation) -> Iterator[int]:
    """Hold the workspace, waiting for a pipeline that has it: what it writes would look like damage."""
    path, announced = root / WORKSPACE, False
    while (lock := take(path, "verify")) is None:
        if not announced:
            get_run_logger().info("waiting for %s", holder_of(path) or "another pipeline")
            announced = True
        cancellation.check()
        time.sleep(TRY_SECONDS)
    try:
        yield lock
    finally:
        os.close(lock)


def _log(answer: Answer) -> None:
    logger = get_run_logger()
    for what, count in answer.checked.items():
        logger.info("checked: %d %s", count, what)
    for note in answer.notes:
        logger.info("%s: %s: %s", note.kind, plain(note.where), plain(note.what))
    for finding in answer.findings:
        logger.error(": ".join(f"{name} {plain(value)}" for name, value in _row(finding).items() if value))
    logger.info(answer.verdict)


def _publish(answer: Answer) -> None:
    """The verdict, under one key from run to run, and a table of what is wrong."""
    create_markdown_artifact(f"**{answer.verdict}**", key="verify", description="whether all is as recorded")
    if answer.findings:
        create_table_artifact(
            [_row(one) for one in answer.findings[:MOST_FINDINGS]],
            key="verify-findings",
            description=f"{len(answer.findings)} findings"
            + (f", the first {MOST_FINDINGS}" if len(answer.findings) > MOST_FINDINGS else ""),
        )


def _row(one: Finding) -> dict[str, str]:
    """A finding, control characters made visible; who says otherwise than what was found, and what they say."""
    return {
        "kind": one.kind,
        "what": plain(one.where),
        "found": plain(one.found),
        "recorded": "; ".join(f"{plain(expected)} in {plain(record)}" for record, expected in one.claims.items()),
        "remark": plain(one.remark or ""),
    }
