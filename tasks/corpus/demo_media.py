"""Planned demo videos become encoded files: equal plans give equal bytes, whichever process makes them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from numpy.typing import NDArray

from tasks.corpus.demo_plan import Codec, Plan
from tasks.shared.artifacts.types import SAMPLE_RATE
from tasks.synthetic.scenes import draw_frame, make_shot
from tasks.synthetic.seeding import rng_for
from tasks.synthetic.sounds import synthesise
from tasks.synthetic.speech import speak

Picture = NDArray[np.uint8]  # (height, width, 3)
Wave = NDArray[np.float32]  # mono, 16 kHz

# One thread each, and no encoder versions or random ids inside: both would change the bytes. So would x264's
# macroblock tree: where the width is no multiple of 256 it reads memory that it never wrote.
VIDEO_ENCODERS: dict[Codec, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"preset": "veryfast", "crf": "31", "x264-params": "mbtree=0"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "38", "b": "0"}),
    "av1": ("libsvtav1", {"preset": "12", "crf": "42", "svtav1-params": "lp=1"}),
}
AUDIO_ENCODERS: dict[Codec, tuple[str, int]] = {
    "h264": ("aac", 44_100),
    "vp9": ("libopus", 48_000),
    "av1": ("aac", 48_000),
}
AUDIO_BIT_RATE = 40_000
CHUNK = 1024  # samples given to the encoder at a time
KEPT_OF_BROKEN = 0.6  # the index of an mp4 comes last, so what is left cannot be opened


def make_file(plan: Plan, path: Path) -> None:
    """Write the planned video to `path`."""
    rng = rng_for(plan.seed, "media", plan.video_id)
    speech = _speech(plan, rng)
    seconds = max(plan.seconds, len(speech) / SAMPLE_RATE)
    frames = round(seconds * plan.fps)
    track = _soundtrack(plan, speech, frames / plan.fps, rng) if plan.audio else None
    _encode(plan, _pictures(plan, frames, rng), track, path)
    if plan.broken:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * KEPT_OF_BROKEN)])


def _speech(plan: Plan, rng: np.random.Generator) -> Wave:
    """The spoken words with a little silence before and after; nothing where there is no speech."""
    if plan.spoken is None:
        return np.zeros(0, np.float32)
    voice = speak(plan.spoken, plan.language, rate=int(rng.integers(151, 160)), pitch=int(rng.integers(33, 39)))
    return np.pad(voice, (int(rng.uniform(0.1, 0.4) * SAMPLE_RATE), int(0.3 * SAMPLE_RATE)))


def _soundtrack(plan: Plan, speech: Wave, seconds: float, rng: np.random.Generator) -> Wave:
    """Speech over the event's sound, which is quieter under speech; raw videos hiss."""
    sound = synthesise(plan.event.sound, seconds, rng)
    loud = {"professional": 0.02, "edited": 0.05, "raw": 0.10}[plan.style] if plan.spoken else 0.7
    mix = loud * sound
    spoken = speech[: len(mix)]
    mix[: len(spoken)] += 0.75 * spoken
    if plan.style == "raw":
        mix += rng.normal(0, 0.008, len(mix)).astype(np.float32)
    return np.clip(mix, -1, 1).astype(np.float32)


def _pictures(plan: Plan, frames: int, rng: np.random.Generator) -> list[Picture]:
    shot = make_shot(plan.style, rng)
    first, last = {"professional": (0.08, 1.0), "edited": (0.0, 0.85), "raw": (0.15, 0.9)}[plan.style]
    times = [(index + 0.5) / frames for index in range(frames)]
    return [
        draw_frame(plan.event, t, plan.width, plan.height, shot=shot, show_sign=plan.sign and first <= t <= last)
        for t in times
    ]


def _encode(plan: Plan, pictures: list[Picture], track: Wave | None, path: Path) -> None:
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        packets = _video_packets(container, plan, pictures)
        if track is not None:
            packets += _audio_packets(container, plan, track)
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            container.mux(packet)


def _video_packets(container: OutputContainer, plan: Plan, pictures: list[Picture]) -> list[Packet[Any]]:
    encoder, options = VIDEO_ENCODERS[plan.codec]
    options = {**options, "flags": "+bitexact", "threads": "1"}
    stream = cast(av.VideoStream, container.add_stream(encoder, rate=plan.fps, options=options))
    stream.width, stream.height, stream.pix_fmt = plan.width, plan.height, "yuv420p"
    packets: list[Packet[Any]] = []
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, plan.fps)
        packets += stream.encode(frame)
        if index == 0:  # which opened the encoder
            ordinary_priority()
    return packets + stream.encode(None)


def ordinary_priority() -> None:
    """Put every thread of this process back under the system's ordinary scheduling.

    When root opens SVT-AV1, it puts the calling thread, its own threads and every program started later under real-time
    scheduling at the highest priority, where two busy processes leave a machine of two cores nothing for all others.
    """
    if sys.platform == "linux":
        for thread in (int(one.name) for one in Path("/proc/self/task").iterdir()):
            with suppress(ProcessLookupError):  # it has ended since
                if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                    os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _audio_packets(container: OutputContainer, plan: Plan, track: Wave) -> list[Packet[Any]]:
    name, rate = AUDIO_ENCODERS[plan.codec]
    options = {"flags": "+bitexact"}
    stream = cast(av.AudioStream, container.add_stream(name, rate=rate, layout="mono", options=options))
    stream.bit_rate = AUDIO_BIT_RATE
    packets: list[Packet[Any]] = []
    for start in range(0, len(track), CHUNK):
        frame = av.AudioFrame.from_ndarray(track[None, start : start + CHUNK], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        packets += stream.encode(frame)
    return packets + stream.encode(None)
