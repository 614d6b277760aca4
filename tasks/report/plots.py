"""Plots as PNG bytes, once on a light and once on a dark background; equal data gives equal bytes.

Drawn with matplotlib's Agg canvas and its own bundled font, whatever a user's matplotlibrc says. Labels may come
from a dataset, so they are cut, never read as mathematics, and what the font lacks is a box: the tables beside the
plots hold the same values as text.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.8  # inches, which the page shows at 100 pixels each
PIXELS_PER_INCH = 200  # twice that, for sharp screens
LABEL_LENGTH = 22
MOST_ROWS = 12  # of a plot; its table has all
OTHER = "other"

Dot = tuple[float, Sequence[float]]  # a value in [0, 1] and its confidence interval [low, high]

# Okabe and Ito's colours, told apart by colour-blind readers; each system has its own mark too
MARKS = {"tuned": "o", "base": "s", "text_dense": "D", "bm25": "^", OTHER: "v"}


@dataclass(frozen=True)
class Theme:
    """Colours of a plot on a light or a dark background."""

    back: str
    ink: str
    faint: str
    systems: dict[str, str]

    def of(self, system: str) -> str:
        """The colour of a system."""
        return self.systems.get(system, self.systems[OTHER])


LIGHT = Theme(
    "#ffffff", "#22272e", "#d9dde3",
    {"tuned": "#0062a3", "base": "#c65a00", "text_dense": "#00805e", "bm25": "#7d5a86", OTHER: "#6b7280"},
)  # fmt: skip
DARK = Theme(
    "#161a20", "#dfe4ea", "#3a424d",
    {"tuned": "#63b8ee", "base": "#f0a13c", "text_dense": "#3fc9a0", "bm25": "#cf9fd8", OTHER: "#9aa4b1"},
)  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """A plot: PNG bytes on a light and on a dark background, its size on the page in pixels, and what it shows."""

    name: str
    light: bytes
    dark: bytes
    width: int
    height: int
    alt: str


def dot_plot(name: str, rows: Mapping[str, Mapping[str, Dot]], measure: str, alt: str, *, legend: bool) -> Plot:
    """Dots by label and system over [0, 1], the first label on top; the systems of a row stand below one another."""
    rows = dict(list(rows.items())[:MOST_ROWS])
    lines = max((len(dots) for dots in rows.values()), default=1)
    row_height = 0.17 + 0.115 * lines
    top = 0.36 if legend else 0.08
    height = row_height * max(len(rows), 1) + top + 0.5

    def draw(figure: Figure, theme: Theme) -> None:
        left = 0.30 if max(map(len, rows), default=0) > 10 else 0.22
        axes = figure.add_axes((left, 0.5 / height, 0.955 - left, 1 - (top + 0.5) / height))
        for place, dots in enumerate(rows.values()):
            if place % 2:
                axes.axhspan(place - 0.5, place + 0.5, color=theme.faint, alpha=0.28, lw=0, zorder=0)
            for line, (system, dot) in enumerate(dots.items()):
                y = place + (line - (len(dots) - 1) / 2) * (0.76 / lines)
                _dot(axes, y, system, dot, theme)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(
            range(len(rows)), [one if len(one) <= LABEL_LENGTH else one[: LABEL_LENGTH - 1] + "…" for one in rows]
        )
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
        axes.set_xlabel(measure)
        axes.grid(axis="x", color=theme.faint, lw=0.7)
        axes.tick_params(axis="y", length=0)
        if legend and rows:
            _legend(figure, list(next(iter(rows.values()))), theme, height)

    return _rendered(name, height, draw, alt)


def _dot(axes: Axes, y: float, system: str, dot: Dot, theme: Theme) -> None:
    colour, first = theme.of(system), system == "tuned"
    value, interval = dot
    axes.plot(interval, (y, y), color=colour, lw=2.2 if first else 1.3, solid_capstyle="round", zorder=2)
    axes.plot(
        [value], [y], MARKS.get(system, MARKS[OTHER]), color=colour,
        ms=6.4 if first else 5.6, mec=theme.back, mew=0.6, zorder=3, clip_on=False,
    )  # fmt: skip


def _legend(figure: Figure, systems: list[str], theme: Theme, height: float) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=theme.of(one), marker=MARKS.get(one, MARKS[OTHER]), ms=5, lw=1.3, label=one)
        for one in systems
    ]
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1 + 0.02 / height), ncols=len(systems),
        frameon=False, handlelength=1.6, columnspacing=1.4, handletextpad=0.5,
    )  # fmt: skip


def curve_plot(name: str, steps: Sequence[int], panels: Sequence[tuple[str, Sequence[float]]], alt: str) -> Plot:
    """Values over training steps: the first panel tall, the others low beneath it."""
    height = 2.1 + 1.05 * (len(panels) - 1)

    def draw(figure: Figure, theme: Theme) -> None:
        grid = figure.add_gridspec(
            len(panels), 1, height_ratios=[2.2, *[1] * (len(panels) - 1)],
            left=0.17, right=0.965, bottom=0.46 / height, top=1 - 0.12 / height, hspace=0.22,
        )  # fmt: skip
        for place, (label, values) in enumerate(panels):
            axes = figure.add_subplot(grid[place, 0])
            axes.plot(steps, values, color=theme.of("tuned" if place == 0 else OTHER), lw=1.5,
                      marker="o" if len(steps) <= 60 else "", ms=2.6)  # fmt: skip
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0, top=max([*values, 1e-12]) * 1.08)
            axes.grid(axis="y", color=theme.faint, lw=0.7)
            axes.locator_params(axis="y", nbins=4 if place == 0 else 2)
            if place < len(panels) - 1:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("step")
        figure.align_ylabels()

    return _rendered(name, height, draw, alt)


def _rendered(name: str, height: float, draw: Callable[[Figure, Theme], None], alt: str) -> Plot:
    pictures = []
    for theme in (LIGHT, DARK):
        with _style(theme):
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure

            figure = Figure(figsize=(WIDTH, height), dpi=PIXELS_PER_INCH)
            canvas = FigureCanvasAgg(figure)
            draw(figure, theme)
            canvas.draw()
            pictures.append(_png(canvas.buffer_rgba()))
    return Plot(name, pictures[0], pictures[1], round(WIDTH * 100), round(height * 100), alt)


def _png(pixels: memoryview) -> bytes:
    """PNG of 128 colours, a third of the size of full colour; nothing but the picture is in it."""
    from PIL import Image

    height, width, _ = pixels.shape or (0, 0, 0)
    picture = Image.frombytes("RGBA", (width, height), bytes(pixels)).convert("RGB")
    stream = io.BytesIO()
    picture.quantize(128, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def _style(theme: Theme) -> Iterator[None]:
    import matplotlib

    style: dict[Any, Any] = {
        "font.family": "DejaVu Sans", "font.size": 8.5, "axes.labelsize": 8.5, "legend.fontsize": 8.5,
        "xtick.labelsize": 8, "ytick.labelsize": 8.5, "text.parse_math": False,
        "figure.facecolor": theme.back, "savefig.facecolor": theme.back, "axes.facecolor": theme.back,
        "text.color": theme.ink, "axes.labelcolor": theme.ink, "xtick.color": theme.ink, "ytick.color": theme.ink,
        "axes.edgecolor": theme.faint, "xtick.major.size": 0, "axes.axisbelow": True,
        "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    }  # fmt: skip
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)
        yield
