"""What passes and what does not when a hub cannot be asked: real sockets, and the hub's own client in a process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.encode.archive import publish_archive

ROOT = Path(__file__).resolve().parents[3]
COMMIT = "0" * 40
LOADERS = {
    "omni": "from tasks.omni.loading import load_embedder; load_embedder('owner/model', '{commit}')",
    "adapter": "from tasks.shared.runtime.hub import fetch; fetch('owner/model', '{commit}', 'adapter_config.json')",
    "retriever": """
from tasks.shared.execution.params_sections import Retriever
from tasks.shared.retrieval.dense import DenseRetriever
DenseRetriever(Retriever(model='owner/model', revision='{commit}', query_prompt='', document_prompt='',
                         dimensions=None, trust_remote_code=False, dtype='float32'), 2, print)""",
    "whisper": """
from tasks.shared.runtime.models import resolve_model
from tasks.shared.execution.params_sections import Transcribe
from tasks.transcribe.recogniser import Recogniser
Recogniser(resolve_model('owner/model', '{commit}', 'transcribe'),
           Transcribe(source='whisper', ocr='none', model='owner/model', revision='{commit}', language=None,
                      compute_type='int8', beam_size=1), 1)""",
}
IMPATIENT = """
import time
import huggingface_hub.file_download as client
sleep, time.sleep = time.sleep, lambda seconds: sleep(0)  # its client tries six times, with 23 s between,
client._ETAG_RETRY_TIMEOUT = 1  # and waits a minute for every answer but the first
"""
PROGRAM = """
from tasks.shared.runtime.errors import UserError
try:
{load}
except UserError as error:
    print(type(error).__name__, error.exit_code, str(error).count("\\n"), str(error))
"""


@contextmanager
def hub(status: int, **headers: str) -> Iterator[str]:
    """A hub that answers everything with one status."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def mute() -> Iterator[str]:
    """A hub that takes every connection, and closes it without a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def close_all() -> None:
            while True:
                try:
                    listening.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=close_all, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def silent() -> Iterator[str]:
    """A hub that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def environment(endpoint: str, home: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return inherited | quiet | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(ROOT)} | more


def outcome(loader: str, endpoint: str, home: Path, **more: str) -> tuple[str, int, str]:
    """Class, exit code and message of the error that a loader ends with."""
    load = "\n".join("    " + line for line in LOADERS[loader].format(commit=COMMIT).strip().splitlines())
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT + PROGRAM.format(load=load)],
        env=environment(endpoint, home, **more), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    kind, code, breaks, message = done.stdout.strip().split(" ", 3)
    assert breaks == "0" and "owner/model" in message
    return kind, int(code), message


@pytest.mark.parametrize("loader", ["omni", "retriever", "whisper"])
def test_a_hub_out_of_reach_may_pass(tmp_path: Path, loader: str) -> None:
    kind, code, message = outcome(loader, nobody(), tmp_path)
    assert (kind, code) == ("TransientError", 75)
    assert "try again later" in message


@pytest.mark.parametrize("loader", LOADERS)
def test_a_busy_hub_may_pass(tmp_path: Path, loader: str) -> None:
    with hub(503) as endpoint:
        kind, code, message = outcome(loader, endpoint, tmp_path)
    assert (kind, code) == ("TransientError", 75), message


@pytest.mark.parametrize("status", [429, 500, 504])
def test_so_may_other_answers(tmp_path: Path, status: int) -> None:
    with hub(status) as endpoint:
        assert outcome("adapter", endpoint, tmp_path)[:2] == ("TransientError", 75)


def test_a_hub_that_hangs_up_or_never_answers_may_pass(tmp_path: Path) -> None:
    with mute() as endpoint:
        assert outcome("adapter", endpoint, tmp_path / "mute")[:2] == ("TransientError", 75)
    with silent() as endpoint:
        assert outcome("adapter", endpoint, tmp_path / "silent", HF_HUB_ETAG_TIMEOUT="1")[:2] == ("TransientError", 75)


LASTING = {
    "no such model": (404, {"X_Error_Code": "RepoNotFound"}),
    "no such revision": (404, {"X_Error_Code": "RevisionNotFound"}),
    "gated": (403, {"X_Error_Code": "GatedRepo"}),
    "forbidden": (403, {}),
    "not logged in": (401, {}),
}


@pytest.mark.parametrize("what", LASTING)
@pytest.mark.parametrize("loader", ["adapter", "whisper"])
def test_a_refusal_does_not_pass(tmp_path: Path, loader: str, what: str) -> None:
    status, headers = LASTING[what]
    with hub(status, **headers) as endpoint:
        assert outcome(loader, endpoint, tmp_path)[:2] == ("UserError", 2)


def test_nor_does_it_through_the_retriever(tmp_path: Path) -> None:
    status, headers = LASTING["gated"]
    with hub(status, **headers) as endpoint:
        assert outcome("retriever", endpoint, tmp_path)[:2] == ("UserError", 2)


@pytest.mark.parametrize("loader", ["omni", "whisper"])
def test_offline_mode_does_not_pass(tmp_path: Path, loader: str) -> None:
    assert outcome(loader, nobody(), tmp_path, HF_HUB_OFFLINE="1")[:2] == ("UserError", 2)


def test_a_stage_as_a_program_says_so_by_its_exit_code(workspace: Workspace, tmp_path: Path) -> None:
    publish_archive()
    workspace.set_params({"transcribe.model": "owner/model", "transcribe.revision": COMMIT})
    program = IMPATIENT + "import runpy; runpy.run_module('tasks.transcribe', run_name='__main__', alter_sys=True)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(nobody(), tmp_path / "home"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 75, done.stderr
    assert done.stderr.splitlines()[-1].startswith("transcribe: transcribe.model: owner/model at revision 0000")
    assert "Traceback" not in done.stderr
