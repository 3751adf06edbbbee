"""A sweep in the MLflow UI, as a person sees it in a browser.

Pictures of what was seen lie in the folder that ELECTRALAB_SCREENSHOTS names, else among pytest's
temporary files. With ELECTRALAB_BROWSER=required a machine without a browser fails the tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as seen
from selenium.webdriver.support.ui import WebDriverWait

from electralab import cli
from tests.conftest import TINY, write_corpus
from tests.tracking.test_ui import free_port

SECONDS = 60  # for a page to show something, on a busy machine
SHORT = ["trainer.max_steps=2", "trainer.logging_steps=1", "trainer.eval_steps=2"]
SWEPT = {"task.disc_weight": (10, 50), "seed": (0, 1)}
JOBS = [f"task.disc_weight={weight} seed={seed}" for weight in (10, 50) for seed in (0, 1)]
FLAGS = [
    "--headless=new",
    "--no-sandbox",  # which root, as in a container, cannot have
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--lang=en",
    "--window-size=1900,1100",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing from elsewhere
]


@pytest.fixture(scope="module")
def browser():
    """A browser that reaches this machine alone."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        absent("there is no chromium with chromedriver here (apt-get install chromium-driver)")
    options = Options()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    try:
        started = webdriver.Chrome(options=options, service=Service(driver))
    except WebDriverException as error:
        absent(f"chromium does not start: {error.msg.splitlines()[0]}")
    yield started
    started.quit()


def absent(why: str) -> None:
    if os.environ.get("ELECTRALAB_BROWSER") == "required":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="module")
def sweep(browser, tmp_path_factory):
    """The record of a finished sweep, and the folder that it was typed in."""
    here = tmp_path_factory.mktemp("sweep")
    write_corpus(here / "corpus.txt", documents=120)
    space = [f"{key}={','.join(map(str, values))}" for key, values in SWEPT.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        words = ["name=look", "data=text", "data.path=corpus.txt", *TINY, *SHORT]
        assert cli.main(["-m", *words, "task.preview_steps=2", *space]) == 0
    [file] = here.glob("outputs/look/sweep-*/sweep.json")
    return {**json.loads(file.read_text()), "here": here}


@pytest.fixture(scope="module")
def links(sweep):
    """The addresses that `electralab ui` names, by what it calls them."""
    log = sweep["here"] / "ui.log"
    words = [sys.executable, "-m", "electralab", "ui", "--port", str(free_port())]
    with log.open("w") as output:
        server = subprocess.Popen(words, cwd=sweep["here"], stdout=output)
    try:
        named = re.compile(r"^  (.+?) +(http.+)\n", re.MULTILINE)
        wait = WebDriverWait(log, SECONDS)
        wait.until(lambda file: len(named.findall(file.read_text())) == 2)
        yield dict(named.findall(log.read_text()))
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(autouse=True)
def picture(request, browser, tmp_path_factory):
    """Keeps a picture of what every test saw last, be it its failure."""
    yield
    folder = Path(os.environ.get("ELECTRALAB_SCREENSHOTS") or tmp_path_factory.getbasetemp())
    folder.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(folder / f"{request.node.name.removeprefix('test_')}.png")


@pytest.fixture
def person(browser):
    return Person(browser)


class Person:
    """Looks and clicks, as soon as there is something to look at or click on."""

    def __init__(self, browser) -> None:
        self.browser = browser
        self.wait = WebDriverWait(browser, SECONDS)

    def go(self, address: str) -> None:
        """Goes somewhere for the first time: what the page remembers is gone."""
        self.browser.get("about:blank")
        forget = {"origin": address.partition("/#")[0], "storageTypes": "all"}
        self.browser.execute_cdp_cmd("Storage.clearDataForOrigin", forget)
        self.browser.get(address)

    def sees(self, path: str):
        return self.wait.until(seen.visibility_of_element_located((By.XPATH, path)))

    def sees_all(self, path: str) -> list[str]:
        self.sees(path)
        return [found.text for found in self.browser.find_elements(By.XPATH, path)]

    def clicks(self, path: str) -> None:
        self.wait.until(seen.element_to_be_clickable((By.XPATH, path))).click()

    def expands(self, name: str) -> None:
        """Clicks on the sign beside a run that has others under it."""
        self.clicks(f"{row(name)}//*[@col-id='attributes.`Run Name`']//button")

    def opens(self, artifact: str, address: str, parent: str) -> None:
        """Goes to an artifact of a run, from the page of all runs."""
        self.go(address)
        self.clicks(f"//a[normalize-space()='{parent}']")
        self.clicks("//*[@role='tab'][normalize-space()='Artifacts']")
        self.clicks(f"//*[normalize-space(text())='{artifact}']")


def row(name: str) -> str:
    """The row of a run in the table of runs."""
    return f"//*[@role='row'][.//a[normalize-space()='{name}']]"


def parent(sweep) -> str:
    return f"sweep {sweep['sweep_id']}: {', '.join(SWEPT)}"


def test_the_runs_of_a_sweep_are_nested_under_it(person, sweep, links):
    person.go(links["look"])
    names = "//*[@role='row']//*[@col-id='attributes.`Run Name`']//a"
    assert person.sees_all(names) == [parent(sweep)]
    person.expands(parent(sweep))
    for job in JOBS:
        person.sees(row(job))
    left = {name: person.sees(f"{row(name)}//a").location["x"] for name in (parent(sweep), *JOBS)}
    assert min(left[job] for job in JOBS) > left[parent(sweep)]  # nested, as the eye sees it


def test_its_view_has_the_swept_keys_and_its_metrics_as_columns(person, sweep, links):
    person.go(links[f"look, sweep {sweep['sweep_id']}"])
    person.expands(parent(sweep))
    person.sees(row(JOBS[0]))
    heads = "//*[@role='columnheader']//*[starts-with(@data-testid, 'sort-header-')]"
    heads = [head for head in person.sees_all(heads) if head]
    assert heads[:2] == ["Run Name", "Created"]
    assert heads[2:5] == [*SWEPT, "eval_probe_auc"]
    found = set()
    for run in sweep["points"]:
        name = " ".join(f"{key}={value}" for key, value in run["values"].items())
        index = person.sees(row(name)).get_attribute("row-index")
        cell = f"//*[@role='row'][@row-index='{index}']//*[@col-id='params.`%s`']"
        values = tuple(float(person.sees(cell % key).text) for key in SWEPT)
        assert values == tuple(run["values"][key] for key in SWEPT)
        found.add(values)
    assert len(found) == 4


def test_the_view_is_in_the_menu_of_views(person, sweep, links):
    person.go(links["look"])
    person.sees(row(parent(sweep)))
    person.clicks("//*[@data-testid='saved-views-trigger']")
    person.clicks(f"//*[normalize-space(text())='sweep {sweep['sweep_id']}']")
    for key in SWEPT:
        person.sees(f"//*[@data-testid='sort-header-{key}']")


def test_two_jobs_can_be_compared(person, sweep, links):
    person.go(links[f"look, sweep {sweep['sweep_id']}"])
    person.expands(parent(sweep))
    for job in JOBS[::2]:
        person.clicks(f"{row(job)}//*[contains(@class, 'ag-checkbox-input-wrapper')]")
    person.clicks("//button[normalize-space()='Compare']")
    person.sees("//h2[starts-with(normalize-space(), 'Comparing 2 Runs')]")

    def cells(name: str) -> list[str]:
        return person.sees_all(f"//tr[th[normalize-space()='{name}']]/td")

    assert cells("Run Name:") == JOBS[::2]
    assert [float(cell) for cell in cells("task.disc_weight")] == [10, 50]
    assert cells("seed") == ["0", "0"]


def test_the_report_opens_from_the_sweeps_artifacts(person, sweep, links):
    person.opens("report.html", links["look"], parent(sweep))
    person.wait.until(seen.frame_to_be_available_and_switch_to_it((By.TAG_NAME, "iframe")))
    try:
        assert sweep["sweep_id"] in person.sees("//h1").text
        assert len(person.sees_all("(//table)[1]//tr")) == 3  # the head, a row a weight
        pictures = person.browser.find_elements(By.TAG_NAME, "img")
        assert pictures and all(int(one.get_property("naturalWidth")) > 100 for one in pictures)
    finally:
        person.browser.switch_to.default_content()


def test_the_previews_of_all_jobs_open_as_a_table(person, sweep, links):
    person.opens("previews.json", links["look"], parent(sweep))
    heads = person.sees_all("//*[@role='columnheader']")
    names = [key.replace(".", " ") for key in SWEPT]
    assert heads == [*names, "step", "original", "masked", "filled_in", "doubted"]
    cells = person.sees_all("//*[@role='row']//*[@role='cell']")
    rows = [cells[at : at + len(heads)] for at in range(0, len(cells), len(heads))]
    points = [f"task.disc_weight={weight} seed={seed}" for weight, seed, *_ in rows]
    assert points[: len(JOBS)] == JOBS and set(points) == set(JOBS)
    assert len({original for _, _, _, original, *_ in rows[: len(JOBS)]}) == 1  # one sentence
