"""A hub on this machine: repositories of one commit each, and some that refuse, as the real one answers."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>[^?]+)")
API = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)(/(revision|tree)/(?P<revision>[^/?]+))?")
GATED = "owner/gated"  # asks for a login
FORBIDDEN = "owner/forbidden"  # gated too, to somebody who is logged in
AWAY = "owner/away"  # hangs up


@contextmanager
def local_hub(repositories: Mapping[str, Path]) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Serve folders by repository; its address, and what was asked for: repository, revision and path of files."""
    asked: list[tuple[str, str, str]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = FILE.match(self.path) or API.match(self.path)
            repository = found["repository"] if found else ""
            if repository == AWAY:
                self.close_connection = True
                return
            if repository in (GATED, FORBIDDEN):
                self._say(401 if repository == GATED else 403, {"X-Error-Code": "GatedRepo"})
            elif found is None or repository not in repositories:
                self._say(404, {"X-Error-Code": "RepoNotFound"})
            elif found["revision"] not in (None, COMMIT, "main"):
                self._say(404, {"X-Error-Code": "RevisionNotFound"})
            elif "path" in found.groupdict():
                asked.append((repository, found["revision"], found["path"]))
                self._file(repositories[repository] / found["path"])
            else:
                folder = repositories[repository]
                names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
                tree = [{"type": "file", "path": name, "size": 1, "oid": COMMIT} for name in names]
                about = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
                self._say(200, {}, json.dumps(tree if "/tree/" in self.path else about).encode())

        do_HEAD = do_POST = do_GET

        def _file(self, path: Path) -> None:
            if not path.is_file():
                return self._say(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            content = path.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            return self._say(200, {"X-Repo-Commit": COMMIT, "ETag": etag}, content)

        def _say(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
