"""Pages in a real browser: Chromium without a window lays them out, and tells what it sees.

Every page is shown in frames as wide as a phone and as a desktop, at once, by one page around them; its script
measures, and the page itself has none.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROBE = """
const told = [...document.querySelectorAll("iframe")].map(frame => {
  const page = frame.contentDocument, root = page.documentElement, width = frame.clientWidth;
  const over = [...page.body.querySelectorAll("*")].filter(each =>
    !each.closest("svg, math, .scroll") && each.getBoundingClientRect().right > width + 0.5);
  const paper = frame.contentWindow.getComputedStyle(page.body).backgroundColor;
  const low = [...page.querySelectorAll("math")].filter(each => !(each.getBoundingClientRect().height > 4));
  return {title: page.title, width, paper,
    overflow: root.scrollWidth - width, over: over.map(each => each.outerHTML.slice(0, 200)),
    formulas: page.querySelectorAll("math").length, flat: low.length,
    pictures: [...page.images].filter(each => !each.naturalWidth).length};
});
document.body.replaceChildren(Object.assign(document.createElement("pre"), {textContent: JSON.stringify(told)}));
"""


def chromium() -> str:
    """The browser's command, or the test is skipped."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium brings it")
    return found


def laid_out(pages: list[bytes], folder: Path, scheme: str, widths: tuple[int, ...] = (400, 1400)) -> list[dict]:
    """What the browser sees of each page at each width, in the colour scheme `light` or `dark`."""
    frames = "".join(
        f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(page.decode())}"></iframe>'
        for page in pages
        for width in widths
    )
    around = folder / f"{scheme}.html"
    script = f"<script>addEventListener('load', () => {{{PROBE}}})</script>"
    around.write_text(f'<!doctype html><meta charset="utf-8"><body style="width:9999px">{frames}{script}')
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--dump-dom",
        "--enable-logging=stderr",
        "--v=0",
    ]
    flags += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"]
    flags += [f"--blink-settings=preferredColorScheme={('dark', 'light').index(scheme)}"]
    done = subprocess.run(
        [chromium(), *flags, around.as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert not console, console
    told = re.search(r"<pre>(.*)</pre>", done.stdout, re.DOTALL)
    assert told, done.stdout[-500:] + done.stderr[-1000:]
    return json.loads(html.unescape(told[1]))
