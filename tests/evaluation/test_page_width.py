"""Reports at the width of a phone, in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from selenium import webdriver

from pdfgc.evaluation import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


@pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no chromium and chromedriver here (apt install chromium chromium-driver)",
)
def test_wide_tables_and_pictures_are_slid_and_the_page_is_not(tmp_path: Path) -> None:
    row = [f"a long heading {i}" for i in range(12)]
    cells = [page.heat_cell("0.99", "± 0.01", "#ffffff", dark=False)] * 9
    parts = [
        page.table([row, row], "a caption"),
        page.heat_map([f"column {i}" for i in range(9)], [("lips by audio", cells)]),
        page.figure([("driver", b"no picture")]),
        f"<p>{'_'.join(row).replace(' ', '_')}</p>",
    ]
    (tmp_path / "page.html").write_text(page.page("wide", parts), encoding="utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        browser.get((tmp_path / "page.html").as_uri())
        widths = browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    finally:
        browser.quit()
    assert widths == [PHONE["width"]] * 2
