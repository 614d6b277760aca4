"""What tests share: a workspace of their own to run stages in, and tiny real video files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tasks.shared.artifacts.publish import read_manifest
from tasks.shared.execution.params_file import change_params
from tasks.shared.execution.stage import StageRun, limit_threads, run_stage
from tasks.shared.runtime import progress
from tasks.shared.runtime.progress import Progress
from tests import warm
from tests.project import Project, copy_database, kept_at, kept_database, kept_project

REPOSITORY = Path(__file__).resolve().parents[1]


SECONDS = "reeltrace/seconds"  # of pytest's cache: how long the tests of a file took, by file
BUILDING = pytest.StashKey[subprocess.Popen[bytes]]()
LONG = ("test_launch.py", "test_multivent.py", "test_ranks.py", "test_serve.py")  # where no times are known yet
WARM = pytest.StashKey[ExitStack]()
TIMES: dict[str, float] = {}  # of this session


def pytest_configure(config: pytest.Config) -> None:
    """One thread for every test process: those of two workers would wait for each other, spinning. No example that
    hypothesis makes has a limit of time. Where tests are shared out to workers, their programs start at once. They hear
    Ctrl-C also where the tests run in the background, which a shell starts deaf to it."""
    limit_threads(1)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        config.stash[WARM] = ExitStack()
        folder = Path(config.stash[WARM].enter_context(tempfile.TemporaryDirectory()), "warm")
        config.stash[WARM].enter_context(warm.started(folder, os.environ))
        os.environ[warm.FOLDER] = str(folder)
    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Flows first, whose tests wait and share a server, and then the files that take longest, so that no worker has
    one left when all others are done.

    Where the project that many tests look at is not made yet, those come last, and a process of its own makes it
    meanwhile, so that no worker waits for it.
    """
    known: dict[str, float] = config.cache.get(SECONDS, {})
    looking = {file_of(item.nodeid) for item in items if "project" in fixtures_of(item)}
    serving = {file_of(item.nodeid) for item in items if "running_server" in fixtures_of(item)}
    cache = config.cache.mkdir("reeltrace")
    missing = bool(looking) and not kept_at(cache).exists()

    def place(file: str) -> tuple[bool, bool, float]:
        guess = 60.0 if Path(file).name in LONG else 30.0 if file in looking else 1.0
        return missing and file in looking, file not in serving, -known.get(file, guess)

    files = dict.fromkeys(file_of(item.nodeid) for item in items)
    rank = {file: index for index, file in enumerate(sorted(files, key=place))}
    items.sort(key=lambda item: rank[file_of(item.nodeid)])
    if missing and getattr(config, "workerinput", {}).get("workerid") == "gw0":
        config.stash[BUILDING] = subprocess.Popen(
            [sys.executable, "-m", "tests.project", str(cache)],
            cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    TIMES[file_of(report.nodeid)] = TIMES.get(file_of(report.nodeid), 0.0) + report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remember how long files took."""
    if not hasattr(session.config, "workerinput"):
        session.config.cache.set(SECONDS, session.config.cache.get(SECONDS, {}) | TIMES)


def pytest_unconfigure(config: pytest.Config) -> None:
    building = config.stash.get(BUILDING, None)
    if building is not None and building.poll() is None:
        os.killpg(building.pid, signal.SIGKILL)
    config.stash.get(WARM, ExitStack()).close()


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def fixtures_of(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


@dataclass(frozen=True)
class Workspace:
    """A project folder in a temporary place; the test's working directory."""

    root: Path

    def set_params(self, changes: Mapping[str, Any]) -> None:
        """Change params.yaml by dotted keys: `set_params({"corpus.source": "folder"})`."""
        change_params(changes, self.root / "params.yaml")

    def run(self, stage: str, work: Callable[[StageRun], None], components: tuple[str, ...] = ()) -> dict[str, Any]:
        """Run a stage's work in this process, as its program does; its manifest. Raises what the work raises."""
        run_stage(stage, work, components)
        return read_manifest(stage)

    def program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m ...` here as a user would; look at its returncode, stdout and stderr."""
        return subprocess.run(
            [warm.python(), "-m", *arguments], cwd=self.root, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="session")
def mlflow_database(request: pytest.FixtureRequest) -> Path:
    """An MLflow database without runs; `copy_database` gives a test one of its own."""
    return kept_database(request.config.cache.mkdir("reeltrace"))


@pytest.fixture(scope="session")
def project(request: pytest.FixtureRequest) -> Project:
    """The project after `dvc repro`, for tests that change nothing."""
    return kept_project(request.config.cache.mkdir("reeltrace"))


@pytest.fixture
def finished(project: Project, tmp_path: Path) -> Project:
    """A copy of the project after `dvc repro`, for a test to do with as it likes."""
    return project.copy(tmp_path / "project")


@pytest.fixture
def browser(chromium: Any) -> Any:
    """A real browser, driven by selenium, on an empty page; nothing that pages of other tests made it log is left."""
    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    return chromium


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one browser of a worker, for `browser`; without chromium and its driver the test is skipped."""
    programs = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chromedriver")]
    if not any(programs[:3]) or not programs[3]:
        # installing one takes root, which `make test` must not need; `.ci/run` installs it, so CI skips none
        pytest.skip("no chromium with its driver on this machine")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(next(filter(None, programs)))
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(programs[3]))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_database: Path) -> Workspace:
    """A copy of dvc.yaml and params.yaml with `tasks` beside them, its own item store and MLflow database."""
    root = tmp_path / "workspace"
    root.mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, root / name)
    change_params({"run.threads": 1}, root / "params.yaml")
    (root / "tasks").symlink_to(REPOSITORY / "tasks")
    copy_database(mlflow_database, tmp_path / "mlflow.db", root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    threads = [f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS")]
    for name in (*threads, "OMP_WAIT_POLICY", "KMP_BLOCKTIME", "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, os.environ[name])  # a stage sets these; this puts them back afterwards
    return Workspace(root)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Progress]:
    """All that is told, from now on, to who started this program, as it can be read."""
    place, everything = tmp_path / "told.json", list[Progress]()
    write = progress.write_text

    def written(path: Path, text: str) -> None:
        write(path, text)
        found = progress.read_progress(place)
        assert found is not None
        everything.append(found)

    monkeypatch.setenv(progress.PLACE, str(place))
    monkeypatch.setattr(progress, "write_text", written)
    return everything


def make_video(
    path: Path,
    *,
    frames: int = 12,
    size: tuple[int, int] = (64, 48),
    fps: int = 12,
    audio_seconds: float = 0.0,
    codec: str = "libx264",
    audio_codec: str = "aac",
    seed: int = 0,
) -> Path:
    """Write a tiny real video: frame i is grey level 16 + 8 i with a block of colour of its own, sound a 440 Hz tone.

    Args:
        path: where; the suffix chooses the container.
        frames: how many; 0 writes a file with sound only.
        size: width and height in pixels, even numbers.
        fps: frames a second.
        audio_seconds: length of the tone, 48 kHz mono; 0 writes no audio stream.
        codec: libx264, libvpx-vp9, mpeg4, ...
        audio_codec: aac, libopus, ...
        seed: another seed gives another picture, so other bytes.
    """
    import av
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        video = audio = None
        if frames:
            video = container.add_stream(codec, rate=fps)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        if audio_seconds:
            audio = container.add_stream(audio_codec, rate=48_000, layout="mono")
        for index in range(frames if video is not None else 0):
            picture = np.full((height, width, 3), min(16 + 8 * index, 240), np.uint8)
            picture[: height // 2, : width // 2] = rng.integers(0, 255, 3, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(video.encode(frame))
        if video is not None:
            container.mux(video.encode())
        if audio is not None:
            count = round(48_000 * audio_seconds)
            wave = (0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / 48_000)).astype(np.float32)
            for start in range(0, count, 960):
                frame = av.AudioFrame.from_ndarray(wave[None, start : start + 960], format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path
