"""The report as a reader has it: opened from disk in Chromium, where that is installed."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report.made_runs import BIG, SMALL, make_run, regional_run

from cortexscope.report import write_html

pytestmark = pytest.mark.slow

_HOSTILE = ("<script>alert(1)</script>", "\"'><img src=x onerror=alert(2)>", "two\n\x1b[31mlines")
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = [
        BIG,
        SMALL,
        *(dataclasses.replace(SMALL, label=label, name=label) for label in _HOSTILE),
    ]
    tasks = ["</script><b>task", "naming", "telling", "asking"]
    run = make_run(tmp_path_factory.mktemp("browser") / "run", models, tasks=tasks, prompts=6)
    return write_html(run)


@pytest.fixture(scope="module")
def brains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tasks = ("counting", "naming", _HOSTILE[1])
    return write_html(regional_run(tmp_path_factory.mktemp("brains") / "run", tasks=tasks))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if _CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page, and what it said and asked for."""

    def __init__(self, browser: Any, path: Path, *, width: int = 1440, place: str = "") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{path.as_uri()}{place}")
        self.page.wait_for_selector("html.drawn")

    def column(self, key: str, number: int) -> list[str]:
        """Return the texts of a table's column, of the rows that are shown."""
        shown = f'table[data-key="{key}"] tbody tr:not([hidden]) > :nth-child({number})'
        texts: list[str] = self.page.locator(shown).all_inner_texts()
        return texts


@pytest.mark.parametrize("width", [1440, 390])
def test_it_opens_without_a_request_or_an_error(browser: Any, report: Path, width: int) -> None:
    opened = Opened(browser, report, width=width)
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.page.wait_for_timeout(300)
    assert opened.said == []
    assert opened.asked == [report.as_uri()]
    # Every figure is drawn, and the page is no wider than its window.
    boxes = opened.page.locator(".plot")
    assert boxes.count() > 3
    assert opened.page.locator(".plot .main-svg").count() >= boxes.count()
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    text = opened.page.inner_text("body")
    assert _HOSTILE[0] in text
    assert _HOSTILE[1] in text
    opened.page.close()


def test_a_script_that_slips_in_does_not_run(browser: Any, report: Path, tmp_path: Path) -> None:
    page = report.read_text(encoding="utf-8")
    planted = tmp_path / "planted.html"
    script = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
    planted.write_text(page.replace("<main ", f"{script}<main ", 1), encoding="utf-8")
    opened = Opened(browser, planted)
    assert opened.page.title() != "ran"
    assert any("Content Security Policy" in said for said in opened.said)
    opened.page.close()


def test_rows_are_sorted_and_found_and_a_link_shows_the_same(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    page = opened.page
    page.locator("#length > details > summary").first.click()
    before = opened.column("complete", 4)
    head = page.locator('table[data-key="complete"] thead th:nth-child(4)')
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    falling = opened.column("complete", 4)
    numbers = [float(text) for text in falling]
    assert numbers == sorted(numbers, reverse=True)
    assert sorted(before) == sorted(falling)
    head.locator("button").click()
    assert opened.column("complete", 4)[0] == min(before, key=float)
    page.locator("#table-complete input[type=search]").fill("naming all-mini")
    found = opened.column("complete", 2)
    assert found == ["naming"]
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    place = re.sub("^[^#]*", "", page.url)
    page.close()
    again = Opened(browser, report, place=place)
    again.page.locator("#length > details > summary").first.click()
    assert again.column("complete", 2) == found
    assert again.page.evaluate("document.documentElement.dataset.theme") == "dark"
    # A link to another place keeps what was chosen.
    again.page.locator('nav a[href="#missing"]').click()
    assert again.page.url.split("#")[1].startswith("missing&")
    assert again.column("complete", 2) == found
    again.page.close()


def test_an_answer_leads_to_where_it_is_shown(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    link = opened.page.locator("#answer ul.prose a").first
    target = str(link.get_attribute("href"))
    link.click()
    opened.page.wait_for_timeout(800)
    top = opened.page.evaluate(
        "key => document.getElementById(key).getBoundingClientRect().top", target[1:]
    )
    assert 0 <= top < 400
    opened.page.close()


def test_a_prompt_opens_from_the_list_and_from_an_address(browser: Any, report: Path) -> None:
    """From an answer to the prompts, to the text of one."""
    opened = Opened(browser, report)
    page = opened.page
    page.locator('nav a[href="#prompts"]').click()
    name = page.locator("[data-pages] tbody th button").first
    name.wait_for()
    prompt = name.inner_text()
    text = opened.column("prompts_read", 3)[0]
    name.click()
    dialog = page.locator("dialog.page")
    assert dialog.locator("h2").inner_text() == prompt
    assert dialog.locator("pre").first.inner_text() == text
    assert dialog.locator("tbody tr").count() > 5
    dialog.locator(".plot").scroll_into_view_if_needed()
    dialog.locator(".plot .main-svg").first.wait_for()
    place = re.sub("^[^#]*", "", page.url)
    dialog.get_by_text("Next").click()
    assert dialog.locator("h2").inner_text() == opened.column("prompts_read", 1)[1]
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert opened.said == []
    page.close()
    again = Opened(browser, report, place=place)
    assert again.page.locator("dialog.page h2").inner_text() == prompt
    again.page.close()


def test_a_metric_is_chosen_and_a_link_shows_the_same(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    page = opened.page
    page.locator('nav a[href="#metrics"]').click()
    metric, model, group = (page.locator(".choose select").nth(place) for place in range(3))
    metric.wait_for()
    title = metric.locator("option").nth(1).inner_text()
    metric.select_option(label=title)
    label = model.locator("option").nth(1).inner_text()
    model.select_option(label=label)
    group.select_option(index=2)
    shown = page.locator("[data-chooser] details")
    shown.locator("summary").click()
    caption = f"{title}, {label}, {group.locator('option').nth(2).inner_text()}"
    assert shown.locator("caption").inner_text() == caption
    assert shown.locator("tbody tr").count() > 1
    assert opened.said == []
    place = re.sub("^[^#]*", "", page.url)
    page.close()
    again = Opened(browser, report, place=place)
    again.page.locator("[data-chooser] details summary").click()
    assert again.page.locator("[data-chooser] caption").inner_text() == caption
    again.page.close()


def test_the_numbers_of_a_figure_stand_behind_it(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    fold = opened.page.locator("#figure-length details.numbers")
    fold.locator("summary").click()
    fold.locator("tbody tr").first.wait_for()
    assert fold.locator("thead th").first.all_inner_texts() == ["cloud"]
    assert fold.locator("a[download]").get_attribute("download") == "length.csv"
    assert opened.said == []
    opened.page.close()


def test_a_figure_that_was_folded_is_as_wide_as_the_page(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    opened.page.evaluate("document.querySelectorAll('details').forEach(own => { own.open = true })")
    widths = opened.page.locator("details .drawing").evaluate_all(
        "boxes => boxes.map(box => box.clientWidth / box.parentElement.clientWidth)"
    )
    assert len(widths) > 1
    assert min(widths) > 0.95
    opened.page.close()


def test_figures_are_pictures_without_scripts_and_on_paper(browser: Any, report: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(report.as_uri())
    stills = page.locator("img.still")
    count = stills.count()
    assert count == page.locator(".drawing").count() > 3
    assert stills.first.is_visible()
    assert all(stills.nth(own).get_attribute("alt") for own in range(count))
    assert not page.locator(".plot").first.is_visible()
    assert "Without JavaScript" in page.inner_text("body")
    page.close()
    opened = Opened(browser, report)
    opened.page.emulate_media(media="print")
    opened.page.wait_for_timeout(300)
    assert opened.page.locator("#figure-length img.still").is_visible()
    assert not opened.page.locator("#figure-length .plot").is_visible()
    assert opened.page.locator("#table-complete table").is_visible()
    opened.page.close()


# Colours are those of the theme whatever the width, and places those of the width.
@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
def test_it_can_be_read_by_all(browser: Any, report: Path, width: int, theme: str) -> None:
    """No rule of axe-core is broken that it calls serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core")
    # Axe is a script that the page's policy would not run.
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=theme, bypass_csp=True
    )
    page.goto(report.as_uri())
    page.wait_for_selector("html.drawn")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    found = axe.Axe().run(page).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []
    page.close()


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_brains_are_shown_one_by_one_and_stop_when_asked(
    browser: Any, brains: Path, motion: str
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion=motion)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
    page.goto(brains.as_uri())
    page.wait_for_selector("html.drawn")
    page.locator("#brain > details > summary").click()
    page.locator("#figure-brain").scroll_into_view_if_needed()
    page.wait_for_selector("#plot-brain .main-svg")
    told, shown = page.locator(".steps strong"), page.locator("#plot-brain")

    def drawn() -> str:
        return str(shown.evaluate("box => box.data.map(trace => trace.text || '').join('|')"))

    # Nothing moves by itself.
    assert told.inner_text() == "counting (1 of 3)"
    first = drawn()
    page.wait_for_timeout(2500)
    assert told.inner_text() == "counting (1 of 3)"
    page.get_by_role("button", name="Next").press("Enter")
    assert told.inner_text() == "naming (2 of 3)"
    assert drawn() != first
    play = page.locator(".steps button").nth(1)
    play.press("Space")
    assert play.inner_text() == "Stop"
    assert told.get_attribute("aria-live") == "off"
    page.locator(".steps strong", has_text="(3 of 3)").wait_for(timeout=10_000)
    assert _HOSTILE[1] in told.inner_text()
    play.press("Space")
    assert (play.inner_text(), told.get_attribute("aria-live")) == ("Play", "polite")
    before = told.inner_text()
    page.wait_for_timeout(2500)
    assert told.inner_text() == before
    page.locator(".steps select").select_option(index=0)
    assert told.inner_text() == "counting (1 of 3)"
    assert drawn() == first
    # Another theme keeps what is shown.
    page.get_by_role("button", name="Previous").click()
    last = drawn()
    page.locator("#theme").click()
    assert drawn() == last
    assert said == []
    page.close()


def test_it_prints_every_figure(browser: Any, report: Path, tmp_path: Path) -> None:
    opened = Opened(browser, report)
    printed = tmp_path / "report.pdf"
    opened.page.pdf(path=str(printed), prefer_css_page_size=True)
    assert printed.read_bytes().startswith(b"%PDF")
    boxes = opened.page.locator(".plot")
    assert opened.page.locator(".plot .main-svg").count() >= boxes.count()
    opened.page.close()
