"""How long a video is, as its file says. A module of its own: durations are remembered until its code changes."""

from __future__ import annotations

from pathlib import Path


def duration_of(path: Path) -> float | None:
    """Seconds by the container's header or its streams; None where they don't say or the file is no video."""
    import av

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            seconds = [] if container.duration is None else [container.duration / av.time_base]
            seconds += [
                float(stream.duration * stream.time_base)
                for stream in container.streams
                if stream.duration is not None and stream.time_base is not None
            ]
    except (av.FFmpegError, OSError, ValueError):
        return None
    return next((one for one in seconds if one > 0), None)
