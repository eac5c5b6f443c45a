"""Airflow's page in a real browser: a run is started from its form, and followed in the grid and in its log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import browser
import pytest

if TYPE_CHECKING:
    from airflows import Desk

pytestmark = browser.NEEDED
RUN = "paged"
# Each of the run's jobs sleeps for so long that the page can show it at work.
SECONDS = 40
TEXT = "(document.body?.innerText ?? '')"
# Seconds; on an idle machine the run takes two minutes.
PATIENCE = 900


@pytest.fixture
def page(tmp_path_factory: pytest.TempPathFactory, desk: "Desk") -> Iterator[browser.Page]:
    """Return a page of somebody who has signed in."""
    with browser.browser(tmp_path_factory.mktemp("chromium")) as page:
        page.visit(desk.service.address, "/")
        page.write("input[name=username]", "admin")
        page.write("input[name=password]", desk.service.values["password"])
        page.click("button[type=submit]")
        page.until("document.querySelector('[data-testid=nav-dags-link]') !== null")
        # That nobody was signed in is a complaint of before.
        page.complaints.clear()
        yield page


def test_a_run_is_started_from_the_form_and_followed(page: browser.Page, desk: "Desk", tmp_path: Path) -> None:
    """The page complains of nothing, and loads nothing from elsewhere."""
    from airflows import SHEET

    page.visit(desk.service.address, "/dags/terraflow_run")
    page.click("[data-testid=trigger-dag-button]")
    form = "document.querySelector('input[name=element_name]')"
    page.until(f"{form} !== null || document.querySelector('[data-value=trigger]') !== null")
    if page.value(f"{form} === null"):
        page.click("[data-value=trigger]")
    page.write("input[name=element_name]", RUN)
    page.write("textarea[name=element_sheet]", SHEET)
    page.write_over(".monaco-editor .view-lines", json.dumps({"seconds": SECONDS}))
    for text in ("Name of the run", "Results go to", "Sheet", "Settings", "Budget", "US dollars"):
        assert text in page.value(TEXT)
    page.picture(tmp_path / "form.png", whole=False)
    page.click("[data-testid=trigger-dag-submit]")

    def started() -> list[str]:
        found = desk.call("dags/terraflow_run/dagRuns?order_by=-id")["dag_runs"]
        return [one["dag_run_id"] for one in found if one["conf"]["name"] == RUN]

    desk.until(started)
    [run] = started()
    # Airflow's page asks for the log of a try that has not begun, too, and is refused.
    desk.until(lambda: desk.task(run)["try_number"])
    # The log grows while the page stays open. A page holds only the lines that its window shows: a high one has all.
    page.visit(desk.service.address, f"/dags/terraflow_run/runs/{run}/tasks/run", height=4000)
    page.until(f"{TEXT}.includes('The launcher of run {RUN} is Batch job')", PATIENCE)
    assert desk.dag_run(run)["state"] == "running"
    page.picture(tmp_path / "log-begins.png", whole=False)
    page.until(f"{TEXT}.includes('make (n=0) makes results/0.txt')", PATIENCE)
    assert desk.dag_run(run)["state"] == "running"
    page.picture(tmp_path / "log-grows.png", whole=False)
    assert desk.ended(run)["state"] == "success"
    desk.ran_once(RUN)
    # A page asks no more when the task has ended, and the last lines of task and trigger come after that.
    for text in (f"Run {RUN} is done", "done: gather"):
        desk.heard(run, text)
    page.visit(desk.service.address, f"/dags/terraflow_run/runs/{run}/tasks/run", height=4000)
    page.until(f"{TEXT}.includes('done: gather') && {TEXT}.includes('Run {RUN} is done')")
    page.picture(tmp_path / "log.png", whole=False)

    page.visit(desk.service.address, f"/dags/terraflow_run/runs/{run}")
    page.until(f"['check', 'run', 'report'].every(task => {TEXT}.includes(task))")
    page.until(f"{TEXT}.toLowerCase().includes('success')")
    page.picture(tmp_path / "grid.png", whole=False)
    assert page.complaints == []
