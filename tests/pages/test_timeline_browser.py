"""The page in a real browser: it complains of nothing, loads nothing, and shows the job under the pointer."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import browser
import pytest

from run_objects import ABOUT, LIVE
from snakemake_aws_common import prices
from snakemake_aws_common.record.attempt import Attempt
from terraflow.timeline.page import Content, make
from timeline_records import HOSTILE, LANE, RECORD, T0

pytestmark = browser.NEEDED
CONTENT = Content(
    "cohort7", "s3://data/runs/cohort7", "done", RECORD, LIVE, ABOUT, prices.load("us-east-1"), {"limit: 6 vCPUs": 6}
)
COST = sum(prices.cost_of(one, prices.load("us-east-1")).total for one in RECORD)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.browser(tmp_path_factory.mktemp("chromium")) as page:
        yield page


def opened(page: browser.Page, folder: Path, record: list[Attempt], width: int = 1280) -> None:
    """Open the page of a record."""
    file = folder / "timeline.html"
    file.write_text(make(replace(CONTENT, attempts=record), T0 + 10**6).html)
    page.open(file, width)


def pointed(page: browser.Page, part: str, at: int, place: str | float) -> str:
    """Point into a figure, at a time and a label or an amount, and return what is shown."""
    box = f"document.querySelector('#{part} canvas')"
    page.value(f"{box}.scrollIntoView({{block: 'center'}})")
    x, y = page.value(
        f"((view, box) => [box.left + view.padding().left + view.origin()[0] + view.scale('x')({at}),"
        f"box.top + view.padding().top + view.origin()[1] + view.scale('y')({place!r}) + "
        f"(view.scale('y').bandwidth?.() ?? 0) / 2])(views.{part}.view, {box}.getBoundingClientRect())"
    )
    page.point(x, y)
    shown = "document.querySelector('#vg-tooltip-element.visible')?.innerText ?? ''"
    until = time.monotonic() + 60
    while not (text := str(page.value(shown))) and time.monotonic() < until:
        pass
    return " ".join(text.split())


@pytest.mark.parametrize("width", [390, 1280])
def test_a_job_under_the_pointer_is_shown(page: browser.Page, tmp_path: Path, width: int) -> None:
    opened(page, tmp_path, RECORD, width)
    shown = pointed(page, "jobs", T0 + 160_000, "a lane L1 (attempt 2)")
    for text in ("lane a L1 (attempt 2)", "COMPLETED", "rule: bwa_mem", "tool: 55 s", "4 vCPU, 8.0 GiB", "job-lane"):
        assert text in shown, shown
    # Beside its bar, a job is shown as well: the bar may be thinner than a pointer.
    assert "OutOfMemoryError" in pointed(page, "jobs", T0 + 10_000, "b bcftools_call 1")
    assert "Spot: 0 on demand: 3" in pointed(page, "vcpus", T0 + 250_000, 1)
    assert "tool: 2 storing: 0" in pointed(page, "at_work", T0 + 260_000, 0.5)
    assert f"spent: ${COST:.4f}" in pointed(page, "money", T0 + 299_900, 0)
    assert page.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.complaints == []


def test_thousands_of_jobs_are_searched_and_grouped(page: browser.Page, tmp_path: Path) -> None:
    many = [replace(LANE, native_id=f"job-{n}", wildcards={"sample": f"s{n:04}", "unit": "L1"}) for n in range(5000)]
    opened(page, tmp_path, [*many, *RECORD])
    count = "document.getElementById('count').textContent"
    assert page.value(count) == "jobs 1 to 40 of 5004"

    def choose(name: str, value: str, event: str) -> None:
        element = f"document.getElementById('{name}')"
        page.value(f"{element}.value = '{value}'; {element}.dispatchEvent(new Event('{event}'))")

    choose("first", "4000", "input")
    assert page.value(count) == "jobs 4001 to 4040 of 5004"
    choose("order", "rule", "change")
    choose("search", "failed out", "input")
    assert page.value(count) == "1 of 5004 jobs"
    choose("span", "shown", "change")
    assert "bcftools_call b 1" in pointed(page, "jobs", T0 + 250_000, "bcftools_call b 1")
    choose("search", "nowhere", "input")
    assert page.value("document.getElementById('jobs').clientHeight") == 0
    choose("search", "", "input")
    assert page.value("document.getElementById('jobs').clientHeight") > 40 * 17
    assert page.complaints == []


def test_names_that_look_like_html_are_shown_as_text(page: browser.Page, tmp_path: Path) -> None:
    hostile = [replace(one, wildcards={"sample": HOSTILE}, process=HOSTILE, reason=HOSTILE) for one in RECORD]
    opened(page, tmp_path, hostile)
    assert HOSTILE in pointed(page, "jobs", T0 + 10_000, f"{HOSTILE} {HOSTILE}")
    assert page.value("document.images.length") == 0
    assert page.complaints == []
