"""A real browser, and the demo Space to look at with it: in a process of its own, or in this one with models of a test."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

from tests.spaces.demo_server import DEMO, SIZES, demo_process, load

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
# The app's modules. The theme is found after them.
sys.path.insert(0, str(DEMO))
sys.path.append(str(ROOT / "spaces"))


def violations(page: "Page") -> list[Any]:
    """What axe finds on a page."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[Any] = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return found


@pytest.fixture(scope="module")
def browser():
    """Chromium. Where it is missing the test skips, but in CI, which installs it, fails."""
    missing = pytest.fail if os.environ.get("ALOE_BROWSER") == "required" else pytest.skip
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("needs the Python package playwright")
    if not Path(CHROMIUM).exists():
        missing(f"needs Debian's chromium at {CHROMIUM}")
    switches = ["gpu", "background-networking", "component-update", "sync"]
    arguments = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in switches)]
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@dataclass
class Visitor:
    """A page of the demo in a browser of its own, which may ask nobody but the app and must not complain."""

    page: "Page"
    asked: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def tab(self, name: str) -> None:
        tab = self.page.get_by_role("tab", name=name)
        if not tab.is_visible():  # on a phone the last ones are in a menu
            self.page.locator("#tabs .overflow-menu > button").click()
            tab = self.page.locator("#tabs .overflow-dropdown button", has_text=name)
        tab.click()

    def box(self):
        """The message box of the tab that is open."""
        return self.page.get_by_label("Your message").locator("visible=true")

    def say(self, text: str) -> None:
        self.box().fill(text)
        self.box().press("Enter")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).locator("visible=true").click()


@contextmanager
def visits(browser):
    """`come(url, size, scheme)`: a new visitor. At the end of the block nobody else was asked, and nothing broke in the page."""
    came = []

    def come(url: str, size: str = "desktop", scheme: str = "light", at: str = "#chat", **more) -> Visitor:
        width, height = SIZES[size]
        # Nothing plays by itself where a test does not look at that.
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **{"reduced_motion": "reduce"} | more
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        visitor = Visitor(context.new_page())
        page = visitor.page
        page.set_default_timeout(30_000)
        page.on("request", lambda request: visitor.asked.add(request.url))
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        page.on("console", lambda line: visitor.complaints.extend([line.text] if line.type == "error" else []))
        came.append((context, visitor, url))
        page.goto(url + at, wait_until="domcontentloaded")
        page.locator("#told").wait_for(state="attached")  # page.js has begun
        return visitor

    yield come
    for context, visitor, url in came:
        assert [address for address in visitor.asked if not address.startswith((url, "data:", "blob:"))] == []
        assert visitor.complaints == []
        context.close()


@pytest.fixture
def visit(browser):
    with visits(browser) as come:
        yield come


@pytest.fixture(scope="session")
def pocket_demo(tmp_path_factory) -> Iterator[str]:
    """The address of the demo as it comes, in a process of its own: pocket, its adapter, the scripted world."""
    with demo_process(DEMO, tmp_path_factory.mktemp("demo")) as served:
        yield served.url


@dataclass
class Here:
    """A demo in this process."""

    url: str
    blocks: object


@pytest.fixture(scope="module")
def launched():
    """`launched(votes, models, settings)`: the demo in this process, with models of the test."""
    pytest.importorskip("gradio")
    (app,) = load("app")
    running = []

    def launch(votes: Path, models, **settings) -> Here:
        from app_state import AppState
        from library import library
        from votes import Votes

        from aloe_hub.hub.demo_settings import DemoSettings

        chosen = DemoSettings(**settings)
        with ThreadPoolExecutor(1) as another:  # where Playwright has no event loop running
            shelf = another.submit(library, chosen).result()
        here = AppState(chosen, models, shelf, Votes(votes))
        blocks = app.serve(here)
        running.append(blocks)
        return Here(blocks.local_url, blocks)

    yield launch
    for blocks in running:
        blocks.close(verbose=False)
