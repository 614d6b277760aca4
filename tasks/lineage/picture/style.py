"""The look of a lineage's picture, on light and on dark paper.

Every rule is below the class of the picture, so that it changes nothing of a page around it; colours are plain values
and no variables, which programs other than browsers do not know.
"""

from __future__ import annotations

SANS = (
    'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans Arabic", '
    '"Noto Sans CJK SC", "Noto Sans CJK KR", "DejaVu Sans", sans-serif'
)
MONO = 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace'

# Okabe and Ito's colours, darker on light paper and lighter on dark: the maker of what a line carries
LIGHT = ("#0062a3", "#00805e", "#b45309", "#7d5a86", "#5b6b00", "#a8326e", "#0f7490", "#6b7280")
DARK = ("#63b8ee", "#3fc9a0", "#f0a13c", "#cf9fd8", "#b9c94a", "#f084b4", "#58c7dd", "#9aa4b1")
HUES = len(LIGHT)


def sheet() -> str:
    """The style sheet."""
    fixed = f"""
.lineage {{ font-family: {SANS}; }}
.lineage .digest {{ font-family: {MONO}; font-size: 11.5px; }}
.lineage .title {{ font-size: 15px; font-weight: 620; }}
.lineage .words, .lineage .why, .lineage .meaning {{ font-size: 12px; }}
.lineage .label {{ font-size: 11px; }}
.lineage .figure {{ font-size: 38px; font-weight: 680; letter-spacing: -.02em; }}
.lineage .heading {{ font-size: 19px; font-weight: 650; }}
.lineage .chip text {{ font-size: 10.5px; font-weight: 650; }}
.lineage .box {{ stroke-width: 1; }}
.lineage .route {{ fill: none; stroke-width: 1.6; }}
.lineage .bridge {{ fill: none; stroke-width: 5; }}
.lineage .is-broken .route {{ stroke-width: 2.2; stroke-dasharray: 7 4; }}
.lineage .source .box {{ stroke-dasharray: 2 3; }}
.lineage .is-stale .box, .lineage .is-broken .box {{ stroke-width: 2.2; }}
.lineage .is-follows .box, .lineage .is-missing .box {{ stroke-width: 1.6; stroke-dasharray: 6 4; }}
.lineage a {{ text-decoration: none; }}
.lineage a:hover .title, .lineage a:focus-visible .title {{ text-decoration: underline; }}
.lineage a:focus-visible .box {{ stroke-width: 3; }}
"""
    dark = _colours("#161a20", "#1e242c", "#dfe4ea", "#9aa4b1", "#3a424d", "#63b8ee", DARK)
    dark += _marks("#ffb454", "#33270f", "#ff8b84", "#3a1d1f", "#9aa4b1", "#262d36")
    light = _colours("#fff", "#f7f8fa", "#22272e", "#5c6570", "#cfd4db", "#0062a3", LIGHT)
    light += _marks("#9a5b00", "#fdf1dc", "#b42318", "#fdeceb", "#5c6570", "#eef0f3")
    return f"{fixed}{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"


def _colours(back: str, raised: str, ink: str, quiet: str, line: str, link: str, hues: tuple[str, ...]) -> str:
    rules = f"""
.lineage .paper {{ fill: {back}; }}
.lineage .bridge {{ stroke: {back}; }}
.lineage .box {{ fill: {raised}; stroke: {line}; }}
.lineage text {{ fill: {ink}; }}
.lineage .words, .lineage .digest, .lineage .label, .lineage .meaning, .lineage .source .title {{ fill: {quiet}; }}
.lineage .label {{ stroke: {back}; stroke-width: 3; stroke-linejoin: round; paint-order: stroke; }}
.lineage .figure, .lineage a .title {{ fill: {link}; }}
.lineage .outside .route {{ stroke: {quiet}; }}
.lineage .outside .arrow, .lineage .outside .stripe {{ fill: {quiet}; }}
"""
    for number, colour in enumerate(hues):
        rules += f".lineage .hue-{number} .route {{ stroke: {colour}; }}\n"
        rules += f".lineage .hue-{number} .arrow, .lineage .hue-{number} .stripe {{ fill: {colour}; }}\n"
    return rules


def _marks(amber: str, on_amber: str, red: str, on_red: str, grey: str, on_grey: str) -> str:
    rules = ""
    for mark, colour, back in (
        ("stale", amber, on_amber), ("follows", amber, on_amber), ("broken", red, on_red), ("missing", grey, on_grey),
    ):  # fmt: skip
        rules += f".lineage .is-{mark} .box {{ stroke: {colour}; }}\n"
        rules += f".lineage .is-{mark} .chip rect {{ fill: {back}; stroke: {colour}; }}\n"
        rules += f".lineage .is-{mark} .chip text, .lineage .is-{mark} .why {{ fill: {colour}; }}\n"
    return (
        rules
        + f".lineage .is-broken .route {{ stroke: {red}; }}\n"
        + f".lineage .is-broken .arrow, .lineage .is-broken .label {{ fill: {red}; }}\n"
    )
