"""The report's page in a browser: on paper it is light and unfolded, whatever the reader's screen is like."""

import re
import shutil
from pathlib import Path

import pytest

from aloe_hub.report import read_runs, write_html
from tests.report.test_report import write_policy
from tests.spaces.conftest import violations

OLD = Path(__file__).parents[1] / "data" / "old_run" / "finished"


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


@pytest.fixture
def crowded(browser, tmp_path):
    """The report of ten policies with long names over ten turns, as wide as A4 within the margins that Chromium leaves."""
    shutil.copytree(OLD, tmp_path / "run", ignore=shutil.ignore_patterns("transcripts", "scores"))
    for place in range(10):
        scores = [1 + (place + turn) % 9 / 2 for turn in range(10)]
        write_policy(tmp_path / "run", f"local:HuggingFaceTB/SmolLM2-135M-Instruct+org/aloe-adapter-{place}", scores)
    write_html(read_runs([tmp_path / "run"]), tmp_path / "report.html")
    page = browser.new_context(viewport={"width": 718, "height": 1000}).new_page()
    page.goto((tmp_path / "report.html").as_uri())
    yield page
    page.context.close()


def test_the_letters_of_two_policies_stand_side_by_side(crowded):
    crowded.get_by_text("All pairs", exact=True).click()
    for media in ("screen", "print"):
        crowded.emulate_media(media=media)
        cell = crowded.locator("th", has_text="minus").first
        assert re.fullmatch("[A-J] minus [A-J]", cell.inner_text())
        first, second = (key.bounding_box() for key in cell.locator(".key").all())
        assert first["x"] + first["width"] + 20 < second["x"]  # "minus" stands between them
        assert abs(first["y"] - second["y"]) < 1


def test_no_table_is_wider_than_the_paper(crowded):
    crowded.emulate_media(media="print")
    column = crowded.locator("main").evaluate("e => e.clientWidth - 2 * parseFloat(getComputedStyle(e).paddingLeft)")
    widths = crowded.locator("table").evaluate_all(
        "all => all.map(one => [one.caption.innerText, one.scrollWidth, one.offsetWidth])"
    )
    assert len(widths) >= 8
    assert [table for table in widths if max(table[1:]) > column + 1] == []
    numbers = crowded.locator("td").evaluate_all(
        "all => all.filter(one => !one.matches('.text') && one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"
    )
    assert numbers == []  # none is torn or sticks out of its cell


def test_the_page_opens_with_its_sentences_fits_a_phone_and_axe_finds_nothing(page):
    assert page.locator(".opening").count() == 3
    assert page.locator(".opening").first.bounding_box()["y"] < page.locator("nav").bounding_box()["y"] < 3 * 844
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [found["id"] for found in violations(page)] == []
