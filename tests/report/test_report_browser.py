"""The page in a real browser: wide, narrow, light, dark and on paper."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image


def shown(browser, scored: Path, width: int, scheme: str = "light") -> Image.Image:  # type: ignore[no-untyped-def]
    """Load the page at a width and colour scheme; a picture of its top, kept where REPORT_SHOTS names a folder."""
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme_feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme_feature)
    browser.get((scored / "report/report.html").as_uri())
    whole = os.environ.get("REPORT_SHOTS")
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": bool(whole)})
    image = Image.open(io.BytesIO(base64.b64decode(taken["data"])))
    if whole:
        image.save(Path(whole) / f"{width}-{scheme}.png")
    return image


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_overflows_and_no_picture_is_broken(browser, scored: Path, width: int) -> None:  # type: ignore[no-untyped-def]
    shown(browser, scored, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    broken = "return [...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).length"
    assert browser.execute_script(broken) == 0
    assert browser.execute_script("return document.images.length") > 40
    squeezed = (
        "return [...document.images].filter(i => i.clientWidth && "
        "Math.abs(i.clientWidth / i.clientHeight / (i.naturalWidth / i.naturalHeight) - 1) > 0.06).length"
    )
    assert browser.execute_script(squeezed) == 0, "pictures keep their shape"
    headings = browser.execute_script("return [...document.querySelectorAll('main h2')].map(h => h.innerText)")
    assert headings[1:] == [
        "Systems", "Slices", "Training", "Sample queries", "Mined negatives", "Corpus", "Failures",
        "How the numbers came about",
    ]  # fmt: skip
    assert browser.execute_script("return document.scripts.length") == 0


def test_dark_and_light(browser, scored: Path) -> None:  # type: ignore[no-untyped-def]
    light, dark = (shown(browser, scored, 1200, scheme) for scheme in ("light", "dark"))
    assert light.convert("L").getpixel((5, 900)) > 240
    assert dark.convert("L").getpixel((5, 900)) < 40
    plot = "return document.querySelector('picture.plot img').currentSrc"
    assert browser.execute_script(plot) == browser.execute_script("return document.querySelector('source').srcset")


def test_no_request_leaves_the_page(browser, scored: Path) -> None:  # type: ignore[no-untyped-def]
    shown(browser, scored, 1400)
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    page = (scored / "report/report.html").as_uri()
    assert page in asked
    assert all(url == page or url.startswith("data:image/") for url in asked)
    assert not browser.get_log("browser"), "no complaint of the browser, of the content policy either"


def test_right_to_left_words_run_right_to_left(browser, scored: Path) -> None:  # type: ignore[no-untyped-def]
    shown(browser, scored, 1400)
    direction = "return getComputedStyle([...document.querySelectorAll('[lang=ar]')].at(-1)).direction"
    assert browser.execute_script(direction) == "rtl"
    assert browser.execute_script("return document.querySelectorAll('main script').length") == 0


def test_prints(browser, scored: Path) -> None:  # type: ignore[no-untyped-def]
    shown(browser, scored, 1000)
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert printed.startswith(b"%PDF") and len(printed) > 50_000
    if folder := os.environ.get("REPORT_SHOTS"):
        (Path(folder) / "print.pdf").write_bytes(printed)
