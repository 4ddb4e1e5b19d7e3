"""The report's page in a browser: on paper it is light and unfolded, whatever the reader's screen is like."""

from pathlib import Path

import pytest

from aloe_hub.report import read_runs, write_html

OLD = Path(__file__).parents[1] / "data" / "old_run" / "finished"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest.fixture
def page(browser, tmp_path):
    """The report of a small run with trees and conversations, on a phone in dark mode."""
    write_html(read_runs([OLD]), tmp_path / "report.html")
    page = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", bypass_csp=True).new_page()
    page.goto((tmp_path / "report.html").as_uri())
    yield page
    page.context.close()


def test_paper_is_light_and_shows_what_a_screen_folds(page):
    paper = "getComputedStyle(document.body).backgroundColor"
    folded = page.locator("details .text").last
    assert page.evaluate(paper) == "rgb(20, 24, 22)"
    assert not folded.is_visible()
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(30, 36, 33)"
    assert folded.is_visible()
    assert page.locator("details .text").evaluate_all("all => all.filter(one => !one.checkVisibility()).length") == 0


def test_the_page_opens_with_its_sentences_fits_a_phone_and_axe_finds_nothing(page):
    assert page.locator(".opening").count() == 3
    assert page.locator(".opening").first.bounding_box()["y"] < page.locator("nav").bounding_box()["y"] < 3 * 844
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert [found["id"] for found in page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]] == []
