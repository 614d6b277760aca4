"""Items of every kind that is prepared differently, the same on every machine."""

from __future__ import annotations

import numpy as np

from tasks.omni.inputs import Item
from tasks.shared.artifacts.types import SAMPLE_RATE

TEXTS = [
    "A volcano erupts on the coast while rescue teams evacuate two villages.",
    "Lava flows reached the harbour; don't go near, officials said at 18:30.",
    "Un volcán entra en erupción cerca de la costa y los equipos evacúan dos pueblos.",
    "Извержение вулкана у побережья: спасатели эвакуируют две деревни.",
    "火山在海岸附近喷发，救援人员疏散了两个村庄。",
    "화산이 해안 근처에서 분출하여 구조대가 두 마을을 대피시켰다.",
    "ثوران بركان قرب الساحل وفرق الإنقاذ تخلي قريتين.",
    "Query: flood warning\tFlood warning issued\tWater rises fast.\n\nStay away from the river.",
]
MAX_TEXT_TOKENS = 40


def frames(count: int, height: int = 56, width: int = 56) -> np.ndarray:
    """Uint8 frames whose every value depends on its place in time, height, width and colour."""
    t, y, x, c = np.ogrid[:count, :height, :width, :3]
    return ((t * 37 + y * 5 + x * 3 + c * 71 + (t * y * x) % 53) % 256).astype(np.uint8)


def sound(seconds: float, pitch: float = 440.0) -> np.ndarray:
    """A swelling tone over a faint hiss, float32 at 16 kHz."""
    n = round(seconds * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    hiss = (np.arange(n) * 7919 % 1009) / 1009 - 0.5
    return (0.4 * np.sin(2 * np.pi * pitch * t) * (0.2 + t / (seconds + 1)) + 0.01 * hiss).astype(np.float32)


def large_kinds() -> dict[str, Item]:
    """Items of the recipe's size by name: too large to be put into every batch."""
    return {
        "recipe_280": Item(text=TEXTS[1], frames=frames(24, 280, 280), audio=sound(12.3)),
        "recipe_336": Item(frames=frames(24, 336, 336)),
        "audio_cut": Item(text=TEXTS[2], audio=sound(300.7)),
    }


def kinds() -> dict[str, Item]:
    """The items by name."""
    return {
        "text": Item(text=TEXTS[0]),
        "text_arabic": Item(text=TEXTS[6]),
        "text_chinese_long": Item(text=TEXTS[4] * 6),
        "text_long": Item(text=" ".join(TEXTS[:3])),
        "text_line_feeds": Item(text="\n\n  Title\t\tcaption \r\n e\u0301te\u0301 "),
        "text_special_names": Item(text="see <|im_end|> and <|VIDEO|> here"),
        "video": Item(frames=frames(8)),
        "video_one_frame": Item(frames=frames(1)),
        "video_odd": Item(frames=frames(5)),
        "video_wide": Item(frames=frames(4, 84, 168)),
        "video_tall": Item(frames=frames(2, 140, 28)),
        "audio": Item(audio=sound(3.0)),
        "audio_short": Item(audio=sound(0.2)),
        "audio_long": Item(audio=sound(31.7, 220.0)),
        "audio_silent": Item(audio=np.zeros(8000, dtype=np.float32)),
        "text_video": Item(text=TEXTS[3], frames=frames(6, 84, 84)),
        "text_audio": Item(text=TEXTS[5], audio=sound(1.234)),
        "video_audio": Item(frames=frames(3, 84, 56), audio=sound(2.0, 880.0)),
        "all": Item(text=TEXTS[7], frames=frames(7, 56, 84), audio=sound(4.56)),
    }
