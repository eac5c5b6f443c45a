"""Small records for the tests of the timeline: a group on Spot, lost once; a rule alone; a rule that fails."""

from dataclasses import replace
from typing import Any

from snakemake_aws_common.record import attempt as states
from snakemake_aws_common.record.attempt import Attempt, Step

GIB = 2**30
T0 = 1_772_366_400_000
# Ends the elements that a page puts names into.
HOSTILE = "</script><img src=x onerror=console.error('injected')>"


def step(rule: str, start: int, real: int, fetch: int = 1000, store: int = 2000, **other: Any) -> Step:
    """A step as a worker measures it: it fetches from `start` on; its own start and end enclose the tool alone."""
    began = T0 + start + fetch
    made = Step(
        rule, {"sample": "a"}, exit=0, start=began, complete=began + real, realtime=real, cpu_time=real * 2,
        peak_rss=GIB, fetch_bytes=10**9, fetch_time=fetch, store_bytes=10**8, store_time=store,
    )  # fmt: skip
    return replace(made, **other)


ALONE = Attempt(
    native_id="job-alone", attempt=1, name="main-multiqc", process="multiqc", wildcards={}, is_group=False, hash="h",
    status=states.COMPLETED, exit=0, reason="Essential container in task exited", queue="terraflow-ondemand",
    spot=False, definition="report:1", log_stream="report/1", cpus=1, memory=8 * GIB, disk=20 * GIB,
    submit=T0 + 200_000, runnable=T0 + 200_500, starting=T0 + 210_000, start=T0 + 230_000, complete=T0 + 300_000,
    head="h", steps=(step("multiqc", 235_000, 50_000, cpu_time=45_000, wildcards={}),),
)  # fmt: skip
LANE = replace(
    ALONE, native_id="job-lane", name="main-lane-a-L1", process="lane", wildcards={"sample": "a", "unit": "L1"},
    is_group=True, queue="terraflow-spot", spot=True, cpus=4, submit=T0, runnable=T0 + 500, starting=T0 + 110_000,
    start=T0 + 120_000, complete=T0 + 190_000, attempt=2,
    steps=(step("decompress", 124_000, 10_000), step("bwa_mem", 138_000, 45_000)),
)  # fmt: skip
LOST = replace(
    LANE, attempt=1, status=states.FAILED, exit=None, reason="Your Spot Task was interrupted.", starting=T0 + 2000,
    start=T0 + 20_000, complete=T0 + 100_000, steps=(),
)  # fmt: skip
FULL = replace(
    ALONE, native_id="job-full", process="bcftools_call", wildcards={"sample": "b", "window": "1"}, cpus=2, exit=137,
    status=states.FAILED, reason="OutOfMemoryError: container killed due to memory usage", memory=4 * GIB,
    steps=(step("bcftools_call", 235_000, 50_000, peak_rss=4 * GIB),),
)  # fmt: skip
RECORD = [LOST, LANE, ALONE, FULL]
