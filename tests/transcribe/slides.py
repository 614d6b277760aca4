"""Videos of slides with known words, and drawn frames of the demo's world."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tests.extract.clips import write_clip


def slide(lines: Sequence[str], size: tuple[int, int] = (1280, 720), letters: int = 48) -> np.ndarray:
    """Black words on white, uint8 (height, width, 3), in matplotlib's own DejaVu Sans."""
    package = find_spec("matplotlib")
    assert package is not None and package.origin is not None
    font = ImageFont.truetype(str(Path(package.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"), letters)
    image = Image.new("RGB", size, "white")
    for row, line in enumerate(lines):
        ImageDraw.Draw(image).text((letters, letters * (1 + 2 * row)), line, fill="black", font=font)
    return np.asarray(image)


def slide_show(path: Path, slides: Sequence[np.ndarray], each: int = 3) -> Path:
    """A real video that shows each slide for a few frames."""
    return write_clip(path, len(slides) * each, draw=lambda index: slides[index // each])
