"""Makes the page: one file of HTML that loads nothing from elsewhere.

The figures are drawn by Vega-Lite (https://vega.github.io), which Snakemake ships for its own reports.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import resources
from importlib.metadata import version
from typing import Any

from jinja2 import Environment
from snakemake.assets import Assets

from snakemake_aws_common.prices import Prices, cost_of
from snakemake_aws_common.record.attempt import Attempt
from snakemake_aws_common.record.live import Failure, Live
from terraflow.costs import compare
from terraflow.heads.about import About
from terraflow.heads.submit import RULE
from terraflow.runs import words
from terraflow.timeline import bars, curves, figures, sizes
from terraflow.timeline.bars import Bar
from terraflow.timeline.drawn import drawn
from terraflow.timeline.phases import PHASES
from terraflow.timeline.sizes import Size

SCRIPTS = ("vega/vega.js", "vega-lite/vega-lite.js", "vega-embed/vega-embed.js")
# Parts of the run's time for the sums over all jobs: more than a screen can tell apart would not help.
PARTS = 400
GIB = 2**30
# Status of a head that has not ended.
GOING = "RUNNING"


@dataclass(frozen=True)
class Content:
    """What a page is made from. `limits` are vCPUs that may be in use at a time, by their labels.

    `attempts` have ended, `going` are those that run, also as jobs in `live`, until `seen`; `heads` conducted the run.
    `who` has started it last, by `started_by`; `message` says how that ended.
    """

    run: str
    address: str
    state: str
    attempts: Sequence[Attempt]
    live: Live | None = None
    about: About | None = None
    prices: Prices | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    going: Sequence[Attempt] = ()
    heads: Sequence[Attempt] = ()
    seen: int | None = None
    notes: Sequence[str] = ()
    who: str = ""
    started_by: str = ""
    message: str = ""


@dataclass(frozen=True)
class Page:
    """A page, and the numbers of its run for scripts. `attempts` are those at jobs; `cost` has the heads' as well."""

    html: str
    attempts: int
    failed: int
    cost: float | None
    start: int | None
    end: int | None
    # On Spot and on demand, with the heads': each has a quota of its own.
    highest_vcpus: Mapping[str, float]
    # What the costs have to be read with, or why there are none.
    money: str = ""


def make(content: Content, now: int) -> Page:
    """Return the page of a run; `now` is milliseconds since 1970."""
    found = _bars(content, now)
    start = min((one.begin for one in found), default=None)
    end = max((one.end for one in found), default=None)
    jobs = [one for one in found if one.one.process != RULE]
    page = Page(
        html="",
        attempts=len(jobs),
        failed=sum(one.failed for one in jobs),
        cost=math.fsum(one.cost for one in found if one.cost is not None) if content.prices else None,
        start=start,
        end=end,
        highest_vcpus={},
    )
    record: dict[str, Any] = {}
    if start is not None and end is not None:
        grid = curves.over(start, end, PARTS)
        record = _record(content, found, grid)
        page = replace(page, highest_vcpus={name: max(record["curves"][name]) for name in figures.SPOT_OF})
    measured, money = sizes.sizes(content.attempts), _money(content, page.cost)
    html = _template().render(
        title=_title(content, page.cost),
        facts=_facts(content, page, min((one.begin for one in jobs), default=None)),
        message=content.message,
        failures=[_failure(one) for one in content.live.failures] if content.live else [],
        jobs=len(found),
        limits=content.limits,
        width=_short(record["width"]) if record else "",
        money=money,
        sizes=[_row(one) for one in measured],
        snippet=sizes.snippet(measured),
        made=utc(now),
        version=version("terraflow"),
        address=content.address,
        record=_embedded(record),
        scripts=_scripts(),
    )
    return replace(page, html=html, money=money)


def utc(time: int | None) -> str:
    """Return a time in words, in UTC."""
    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if time is not None else ""


def _bars(content: Content, now: int) -> list[Bar]:
    """Return the bars of jobs and heads; what runs has a cost until it was last seen, a head until now."""
    heads = [one if one.complete is not None else replace(one, complete=now, status=GOING) for one in content.heads]
    prices = content.prices

    def cost(one: Attempt) -> float | None:
        return cost_of(one, prices, content.seen).total if prices else None

    return bars.bars([*content.attempts, *heads], content.live, cost, content.going, content.seen)


def _short(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3g} s" if milliseconds < 60_000 else words.duration(milliseconds)


def _title(content: Content, cost: float | None) -> str:
    return f"Run {content.run}: {content.state}" + (f", ${cost:,.2f}" if cost is not None else "")


def _facts(content: Content, page: Page, first: int | None) -> dict[str, str]:
    live = content.live
    budget = _budget(content)
    goes_on = bool(live and live.jobs and live.ended is None)
    facts = {
        "who": content.who,
        "started by": content.started_by,
        "first job submitted": utc(first),
        "as of" if goes_on else "ended": utc(page.end),
        "duration": words.duration(page.end - page.start) if page.start is not None and page.end is not None else "",
        "attempts at jobs": f"{page.attempts:,}",
        "of these failed or lost": f"{page.failed:,}" if page.failed else "none",
        "cost so far" if goes_on else "cost": f"${page.cost:,.2f}" if page.cost is not None else "",
        "budget": f"${budget:,.2f}" if budget is not None else "",
    }
    return {name: text for name, text in facts.items() if text}


def _failure(one: Failure) -> str:
    return f"{' '.join([one.process, *one.wildcards.values()])}: {one.text}"


def _budget(content: Content) -> float | None:
    live, about = content.live, content.about
    return live.budget if live and live.budget is not None else about.budget if about else None


def _money(content: Content, cost: float | None) -> str:
    """Return what the figure of money has to be read with: the estimate, the prices, and what is not in it."""
    prices, about = content.prices, content.about
    if prices is None or cost is None:
        unknown = "There are no prices of this region: terraflow timeline --prices FILE takes prices of your own."
        return " ".join(content.notes) or unknown
    beside = compare.compare(about.estimate, cost) if about and about.estimate else ""
    return " ".join(
        [
            *([beside] if beside else []),
            f"Prices of {prices.region}, {prices.date}, from {prices.source}; Spot is taken to cost "
            f"{prices.spot_discount:.0%} less. Storage and requests are left out.",
            *content.notes,
        ]
    )


def _record(content: Content, found: Sequence[Bar], grid: curves.Grid) -> dict[str, Any]:
    """Return what the page's script draws, and the figures for it."""
    estimate = content.about.estimate if content.about else None
    amounts = {"budget": _budget(content), "estimate": (estimate or {}).get("spot")}
    marks = {name: float(amount) for name, amount in amounts.items() if isinstance(amount, int | float)}
    shown = {
        "jobs": figures.jobs(),
        "at_work": figures.at_work(),
        "vcpus": figures.vcpus(content.limits),
        "money": figures.money(marks),
    }
    return {
        "start": grid.start,
        "end": grid.end,
        "width": grid.width,
        "phases": PHASES,
        "queues": list(figures.SPOT_OF),
        "figures": shown,
        **drawn(found, grid),
    }


def _row(one: Size) -> dict[str, str]:
    instead = [
        text
        for amount, text in (
            (one.threads, f"{one.threads} threads"),
            (one.mem_mb, f"mem_mb {one.mem_mb}"),
            (one.disk_mb, f"disk_mb {one.disk_mb}"),
        )
        if amount is not None
    ]
    return {
        "rule": one.rule,
        "jobs": f"{one.jobs:,}",
        "cpus": f"{one.cpus:g}",
        "used_cpus": "" if one.used_cpus is None else f"{one.used_cpus:.1f}",
        "memory": _size(one.memory),
        "used_memory": _size(one.used_memory),
        "disk": _size(one.disk),
        "used_disk": _size(one.used_disk),
        "out_of_memory": str(one.out_of_memory or ""),
        "instead": ", ".join(instead),
    }


def _size(amount: int | None) -> str:
    return "" if amount is None else f"{amount / GIB:.2f} GiB" if amount < GIB else f"{amount / GIB:.1f} GiB"


def _embedded(record: Mapping[str, Any]) -> str:
    """Return it as JSON that may stand in a script element: nothing in it ends the element."""
    return json.dumps(record, separators=(",", ":")).replace("<", "\\u003c")


def _template() -> Any:  # noqa: ANN401
    text = (resources.files("terraflow.timeline") / "page.html.j2").read_text("utf-8")
    return Environment(autoescape=True).from_string(text)


def _scripts() -> list[str]:
    return [*map(Assets.get_content, SCRIPTS), (resources.files("terraflow.timeline") / "page.js").read_text("utf-8")]
