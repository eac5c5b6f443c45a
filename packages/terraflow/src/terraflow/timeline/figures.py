"""The figures of the page in the language of Vega-Lite (https://vega.github.io/vega-lite/docs/).

Vega-Lite draws them on a canvas, and takes names and reasons as data, never as text to interpret.
"""

from collections.abc import Mapping
from typing import Any

from terraflow.timeline.phases import PHASES

Spec = dict[str, Any]
# Colours that colour-blind people tell apart (Okabe and Ito, https://jfly.uni-koeln.de/color/), lighter for what waits.
COLOURS = dict(zip(PHASES, ("#cfd4da", "#e69f00", "#56b4e9", "#0072b2", "#009e73", "#a98bb5"), strict=True))
SPOT, ON_DEMAND = "Spot", "on demand"
QUEUES = {SPOT: "#0072b2", ON_DEMAND: "#e69f00"}
SPOT_OF = {SPOT: True, ON_DEMAND: False}
FAILED = "#c1121f"
LIMIT = "#c1121f"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
CONFIG = {
    "font": "system-ui, sans-serif",
    "axis": {
        "labelFontSize": {"expr": "room > 150 ? 12 : 10"},
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": "#e6e8eb",
    },
    "legend": {
        "labelFontSize": 12,
        "orient": "top",
        "title": None,
        "columns": {"expr": "room > 150 ? 6 : 3"},
        "symbolType": "square",
    },
    "text": {"fontSize": 12},
    "view": {"stroke": None},
}
HEIGHT = 150
# The page's script gives all figures the same room for what stands left of them, so that their times are aligned.
AXIS: Spec = {"minExtent": {"expr": "room"}, "maxExtent": {"expr": "room"}}


def jobs() -> Spec:
    """Return the figure of the bars: `rows` are the jobs that are shown, `spans` their phases."""
    label: Spec = {
        "field": "label",
        "type": "ordinal",
        "sort": None,
        "title": None,
        "axis": {**AXIS, "labelLimit": {"expr": "room - 8"}, "domain": False, "ticks": False},
    }
    bands: Spec = {
        "data": {"name": "rows"},
        "mark": {"type": "rect", "tooltip": {"expr": "datum.tip"}},
        "encoding": {
            "y": label,
            "x": _time("low", ""),
            "x2": {"field": "high"},
            "color": {"condition": {"test": "datum.odd", "value": "#f3f5f7"}, "value": "#ffffff"},
        },
    }
    spans: Spec = {
        "data": {"name": "spans"},
        "mark": {"type": "bar", "tooltip": {"expr": "datum.tip"}, "height": {"band": 0.72}},
        "encoding": {
            "y": label,
            "x": _time("start", "time (UTC)"),
            "x2": {"field": "end"},
            "color": _colours("phase", COLOURS),
        },
    }
    mark = {"condition": {"test": "datum.failed", "value": "✕"}, "value": ""}
    failed: Spec = {
        "data": {"name": "rows"},
        "mark": {"type": "text", "color": FAILED, "dx": 5, "fontWeight": "bold"},
        "encoding": {"y": label, "x": _time("end", ""), "text": mark},
    }
    return {**_base(), "datasets": {"rows": [], "spans": []}, "layer": [bands, spans, failed]}


def at_work() -> Spec:
    """Return the figure of how many jobs are in each phase, of all jobs, also of those whose bars are not shown."""
    areas: Spec = {
        "transform": [{"fold": list(COLOURS), "as": ["phase", "jobs"]}],
        "mark": {"type": "area", "interpolate": "step"},
        "encoding": {
            "x": _time("middle", ""),
            "y": _amount("jobs"),
            "color": _colours("phase", COLOURS),
        },
    }
    return _curves([areas], ["time", *COLOURS])


def vcpus(limits: Mapping[str, float]) -> Spec:
    """Return the figure of the vCPUs in use, beside limits, by their labels."""
    areas: Spec = {
        "transform": [{"fold": list(QUEUES), "as": ["queue", "vcpus"]}],
        "mark": {"type": "area", "interpolate": "step"},
        "encoding": {
            "x": _time("middle", ""),
            "y": _amount("vcpus"),
            "color": _colours("queue", QUEUES),
        },
    }
    return _curves([areas, *_lines(limits)],
                   ["time", *QUEUES])  # fmt: skip


def money(marks: Mapping[str, float]) -> Spec:
    """Return the figure of what was spent, beside amounts such as the budget."""
    line: Spec = {
        "mark": {"type": "line", "color": "#0072b2"},
        "encoding": {"x": _time("until", ""), "y": _amount("spent")},
    }
    texts = {f"{name}: ${amount:,.2f}": amount for name, amount in marks.items()}
    return _curves([line, *_lines(texts)], ["time", "spent"])


def _curves(layers: list[Spec], shown: list[str]) -> Spec:
    """Return a figure over the parts of the run's time; the part under the pointer says its numbers."""
    told = ", ".join(f"'{name}': datum.tip['{name}']" for name in shown)
    pointer: Spec = {
        "mark": {"type": "rect", "opacity": 0, "tooltip": {"expr": f"{{{told}}}"}},
        "encoding": {"x": _time("begin", "time (UTC)"), "x2": {"field": "until"}},
    }
    return {**_base(), "datasets": {"curves": []}, "data": {"name": "curves"}, "layer": [*layers, pointer]}


def _lines(marks: Mapping[str, float]) -> list[Spec]:
    """Return horizontal lines, each with a text."""
    found: list[Spec] = []
    for text, amount in marks.items():
        data: Spec = {"values": [{"amount": amount, "text": text}]}
        y: Spec = {"field": "amount", "type": "quantitative"}
        found.append(
            {"data": data, "mark": {"type": "rule", "color": LIMIT, "strokeDash": [6, 4]}, "encoding": {"y": y}}
        )
        mark: Spec = {"type": "text", "align": "right", "baseline": "bottom", "dy": -3, "color": LIMIT}
        encoding = {"y": y, "x": {"value": "width"}, "text": {"field": "text"}}
        found.append({"data": data, "mark": mark, "encoding": encoding})
    return found


def _base() -> Spec:
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": HEIGHT,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "params": [{"name": "room", "value": 200}, {"name": "stamp", "value": "%H:%M"}],
        "config": CONFIG,
    }


def _time(field: str, title: str) -> Spec:
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc", "nice": False},
        "title": title or None,
        "axis": {
            "tickCount": {"expr": "max(2, width / 110)"},
            "labelExpr": "utcFormat(datum.value, stamp)",
            "labelOverlap": True,
            "labelFlush": True,
        },
    }


def _amount(field: str) -> Spec:
    return {"field": field, "type": "quantitative", "title": None, "axis": {**AXIS, "tickCount": 4}, "stack": "zero"}


def _colours(field: str, colours: Mapping[str, str]) -> Spec:
    return {"field": field, "type": "nominal", "scale": {"domain": list(colours), "range": list(colours.values())}}
