"""The page of a user study in a real browser: Chromium, headless, driven by selenium."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from media.clips import grey, tone, write_video
from pdfgc.evaluation.study import QUESTIONS, collect, make_study, read_key
from pdfgc.evaluation.study_scores import score_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no chromium and chromedriver here (apt install chromium chromium-driver)",
)

PATIENCE = 60.0
"""Seconds to wait for what a loaded machine does late."""


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--autoplay-policy=no-user-gesture-required")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two methods, two clips each."""
    for level, method in ((60, "good"), (160, "bad")):
        (tmp_path / method).mkdir()
        for i in range(2):
            pictures = [grey(level + i)] * 8
            write_video(tmp_path / method / f"{i}.mp4", pictures, sound=tone(0.32, 16_000))
    make_study(collect({m: tmp_path / m for m in ("good", "bad")}), tmp_path / "study", seed=5)
    return tmp_path / "study"


def open_page(browser: webdriver.Chrome, study: Path, *, new: bool = True) -> None:
    """Opens the page, by default as someone who never saw it."""
    browser.get((study / "page" / "index.html").as_uri())
    if new:
        browser.execute_script("localStorage.clear()")
        browser.refresh()


def wait(browser: webdriver.Chrome, condition: Any) -> Any:
    return WebDriverWait(browser, PATIENCE, poll_frequency=0.05).until(condition)


def click(browser: webdriver.Chrome, name: str) -> None:
    browser.find_element(By.ID, name).click()


def text(browser: webdriver.Chrome, name: str) -> str:
    return browser.find_element(By.ID, name).text


def current(browser: webdriver.Chrome) -> str:
    """The random name of the clip that is shown."""
    return Path(browser.find_element(By.ID, "video").get_attribute("src") or "").stem


def rate(browser: webdriver.Chrome, score: int, *questions: str) -> None:
    """Waits until the clip has been seen, then gives a score to each question."""
    wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "#scores fieldset:enabled"))
    for question in questions or QUESTIONS:
        browser.find_element(By.CSS_SELECTOR, f"input[name={question}][value='{score}']").click()


def saved_file(browser: webdriver.Chrome, folder: Path) -> Path:
    """The one file that the page saved."""

    def found(_: Any) -> Any:
        return next(iter(folder.glob("answers-*.json")), None)

    return wait(browser, found)


def test_a_participant_rates_every_clip_and_the_scores_reach_the_right_method(
    browser: webdriver.Chrome, study: Path, downloads: Path
) -> None:
    _, key = read_key(study)
    open_page(browser, study)
    assert text(browser, "count") == "4"
    browser.find_element(By.ID, "participant").send_keys("P 7")
    click(browser, "start")
    seen = []
    for number in range(4):
        assert text(browser, "place") == f"Clip {number + 1} of 4"
        seen.append(current(browser))
        rate(browser, 5 if key[seen[-1]][0] == "good" else 2)
        click(browser, "next")
    assert sorted(seen) == sorted(key)
    assert "rated 4 of 4" in text(browser, "summary")
    click(browser, "save")
    path = saved_file(browser, downloads)
    tree = json.loads(path.read_text())
    assert (tree["participant"], [a["clip"] for a in tree["answers"]]) == ("P 7", seen)
    assert all(answer["plays"] >= 1 for answer in tree["answers"])
    scores = score_study(study, [path])
    assert {m: [r.value for r in results.values()] for m, results in scores.items()} == {
        "good": [5, 5, 5],
        "bad": [2, 2, 2],
    }
    path.unlink()


def test_scores_wait_for_the_end_of_the_clip_and_next_waits_for_all_three(
    browser: webdriver.Chrome, study: Path
) -> None:
    open_page(browser, study)
    browser.execute_script("HTMLMediaElement.prototype.play = () => Promise.reject(new Error('no'))")
    click(browser, "start")
    time.sleep(0.5)  # longer than the clip would take
    assert not browser.find_elements(By.CSS_SELECTOR, "#scores fieldset:enabled")
    assert "Watch the clip" in text(browser, "hint")
    browser.execute_script("delete HTMLMediaElement.prototype.play")
    browser.refresh()
    click(browser, "start")
    rate(browser, 3, "lip_sync", "expression")
    assert not browser.find_element(By.ID, "next").is_enabled()
    assert "rate all three" in text(browser, "hint")
    rate(browser, 3, "naturalness")
    assert browser.find_element(By.ID, "next").is_enabled()


def test_a_closed_page_goes_on_where_it_stopped_and_back_shows_the_scores_given(
    browser: webdriver.Chrome, study: Path
) -> None:
    open_page(browser, study)
    click(browser, "start")
    first = current(browser)
    rate(browser, 4)
    click(browser, "next")
    second = current(browser)
    browser.get("about:blank")
    open_page(browser, study, new=False)
    assert text(browser, "start") == "Continue"
    click(browser, "start")
    assert (current(browser), text(browser, "place")) == (second, "Clip 2 of 4")
    click(browser, "back")
    assert current(browser) == first
    checked = browser.find_elements(By.CSS_SELECTOR, "#scores input:checked")
    assert [c.get_attribute("value") for c in checked] == ["4", "4", "4"]
    browser.refresh()
    click(browser, "anew")
    browser.switch_to.alert.accept()
    assert text(browser, "start") == "Start"
    click(browser, "start")
    assert text(browser, "place") == "Clip 1 of 4"
    assert not browser.find_elements(By.CSS_SELECTOR, "#scores input:checked")


def test_a_clip_that_does_not_play_is_passed_over(browser: webdriver.Chrome, study: Path) -> None:
    for clip in (study / "page" / "clips").iterdir():
        clip.write_bytes(b"no film")
    open_page(browser, study)
    click(browser, "start")
    wait(browser, lambda b: "does not play" in text(b, "hint"))
    click(browser, "next")
    assert text(browser, "place") == "Clip 2 of 4"


def test_the_page_asks_for_nothing_outside_its_folder_and_reports_no_errors(
    browser: webdriver.Chrome, study: Path
) -> None:
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get_log("browser")
    open_page(browser, study)
    click(browser, "start")
    rate(browser, 1)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    folder = (study / "page").as_uri()
    assert len(requests) >= 5  # the page, two scripts, the style, a clip
    outside = [
        url for url in requests if not url.startswith((folder, "data:"))
    ]  # data: the player's own icons
    assert outside == []
    assert browser.get_log("browser") == []
