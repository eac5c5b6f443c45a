"""Fit the model of costs to what large.py has measured, and write its tables.

    tools/run.sh python benchmarks/fit.py          writes model.json and the tables of large.md
    tools/run.sh python benchmarks/fit.py --check  fails if they are not what large.json gives

For each rule: CPU seconds, and bytes that a job on AWS fetches and stores, as a fixed part, a part by reads and a part
by bases of the reference, none below 0, so that the relative errors of all runs are least. BWA-MEM's part by reads
differs between the small and the large reference, and so does that by bases of building its index: a large index misses
the processor's cache more often. bwa-mem2's part by reads is bwa's times the ratio of what aligning took with both.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from large import RESULT
from speed import ROOT
from terraflow.costs.model import covered

MODEL = ROOT / "packages/terraflow/src/terraflow/costs/model.json"
PAGE = ROOT / "benchmarks/large.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
WHERE = "benchmarks/large.md"
# Rules whose CPU time for a read, or for a base, depends on the size of the reference.
BY_REFERENCE = {"bwa_mem": "reads", "bwa_index": "bases"}
# Rules that read no reference, and rules that read no reads: the other part is none.
NO_BASES = ("decompress", "fastqc")
NO_READS = ("reference", "bwa_index", "windows", "filters")
# Rules whose CPU time for a base is spent where reads lie.
COVERED = ("bcftools_call",)
# Rules that copy what they are given, from so many reads on: 8 windows of 20 containers of 10,000 reads. Runs with
# fewer are left out, but for the smallest one, which tells how long such a rule takes to start.
COPIES = {"slices": 1_600_000}
SMALLEST = 10_000
# From this size on, a reference tells something about another's.
LEAST_REFERENCE = 1e6
# In the groups of profiles/aws, what one rule writes for another does not travel: the reader, and the writer.
WITHIN = {"bwa_mem": "decompress", "samtools_stats": "sort_index", "slices": "sort_index"}
# Nothing outside the group reads it.
NOT_STORED = ("decompress",)
# Rules with the command of another rule.
TWINS = {"fastqc_single": "fastqc"}
# Bytes of bwa-mem2's index for a base.
BWA_MEM2_INDEX_BYTES = 5.5
OF_BWA_MEM2 = ("bwa_mem bwa-mem2", "bwa_mem2_index")
# Less than this is noise: CPU seconds, bytes.
LEAST = {"cpu": 0.5, "bytes": 1e6}
# Not measured here; large.md says where they come from.
ASSUMED: dict[str, Any] = {
    "uncertainty": 1.6,
    "busy": 0.85,
    "start_seconds": 5,
    "place_seconds": 60,
    "bytes_per_second": 5e7,
    "bytes_per_read": {"": 350, ".gz": 80, ".bgz": 80, ".bz2": 66, ".xz": 62, ".zst": 85},
    "bytes_per_base": {"": 1.01, ".gz": 0.3, ".bgz": 0.3, ".bz2": 0.27, ".xz": 0.25, ".zst": 0.3},
}


def least_squares(features: NDArray[np.float64], found: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return the factors, none below 0, with the least sum of squared relative errors.

    With a handful of features, all subsets of those that are not 0 are tried.
    """
    weights = 1 / np.maximum(found, least)
    rows, wanted = features * weights[:, None], found * weights
    best, least_error = np.zeros(features.shape[1]), float(np.sum(wanted**2))
    for size in range(1, features.shape[1] + 1):
        for chosen in itertools.combinations(range(features.shape[1]), size):
            some, *_ = np.linalg.lstsq(rows[:, chosen], wanted, rcond=None)
            error = float(np.sum((rows[:, chosen] @ some - wanted) ** 2))
            if np.all(some >= 0) and error < least_error - 1e-12:
                best, least_error = np.zeros(features.shape[1]), error
                best[list(chosen)] = some
    return best


def parts(rule: str, need: str, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a rule's parts of a need, `cpu` or `bytes`, from all runs that had jobs of it."""
    measured = [
        (run, one)
        for run in runs
        for one in run["rules"]
        if one["rule"] == rule and (need == "bytes" or not SMALLEST < run["reads"] < COPIES.get(rule, 0))
    ]
    by_size = BY_REFERENCE.get(rule) if need == "cpu" else None
    sizes = sorted({run["bases"] for run, _ in measured if run["bases"] >= LEAST_REFERENCE})
    rows, found = [], []
    for run, one in measured:
        at = sizes.index(run["bases"]) if run["bases"] in sizes else 0
        # Each job fetches the whole reference.
        bases = run["bases"] / 1e9 * (one["jobs"] if need == "bytes" else 1)
        if need == "cpu" and rule in COVERED:
            bases = covered(run["reads"], run["bases"]) / 1e9
        row = [float(one["jobs"])]
        reads = 0 if rule in NO_READS else run["reads"] / 1e6
        for part, amount in (("reads", reads), ("bases", 0 if rule in NO_BASES else bases)):
            row += [amount if n == at else 0.0 for n in range(len(sizes))] if part == by_size else [amount]
        rows.append(row)
        found.append(one["cpu"] if need == "cpu" else moved(one, run))
    # A column of zeros gets the factor 0.
    factors = iter(map(_rounded, least_squares(np.array(rows), np.array(found, dtype=np.float64), LEAST[need])))
    fixed = next(factors)
    return (
        {"fixed": fixed}
        | {part: [[size, next(factors)] for size in (sizes if part == by_size else [0])] for part in ("reads", "bases")}
        | ({"covered": True} if need == "cpu" and rule in COVERED else {})
    )


def moved(one: dict[str, Any], run: dict[str, Any]) -> int:
    """Return the bytes that the jobs of a rule fetch and store on AWS."""
    written = {other["rule"]: other["written"] for other in run["rules"]}
    fetched = max(0, one["read"] - written.get(WITHIN.get(one["rule"], ""), 0))
    return int(fetched + (0 if one["rule"] in NOT_STORED else one["written"]))


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")


def fitted(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the model of costs, as model.json has it."""
    runs = measured["runs"]
    rules = sorted({one["rule"] for run in runs for one in run["rules"]})
    found = {rule: {need: parts(rule, need, runs) for need in ("cpu", "bytes")} for rule in rules}
    found |= {twin: found[rule] for twin, rule in TWINS.items()}
    found |= dict(zip(OF_BWA_MEM2, bwa_mem2(found, runs), strict=True))
    nothing = {"reads": [[0, 0.0]], "bases": [[0, 0.0]]}
    return {
        "measured": f"{measured['measured']} ({WHERE})",
        **ASSUMED,
        "rules": found,
        "other": {"cpu": {"fixed": 5.0, **nothing}, "bytes": {"fixed": 1e7, **nothing}},
    }


def bwa_mem2(found: dict[str, Any], runs: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the models of aligning with bwa-mem2, and of building its index, by those of bwa and by runs with both."""
    aligning, building = found["bwa_mem"], found["bwa_index"]
    # Of runs with one reference, the last, with most reads: reading the index counts least there.
    both = {run["bases"]: run for run in runs if run["bwa_mem2"]}
    reads = [[size, _rounded(need * share_of_bwa_mem2(both[size]))] for size, need in aligning["cpu"]["reads"]]
    seconds = [
        [size, _rounded(_of("bwa_mem2_index", run["bwa_mem2"])["cpu"] / size * 1e9)]
        for size, run in sorted(both.items())
    ]
    index = [[0, BWA_MEM2_INDEX_BYTES * 1e9]]
    return (
        {"cpu": {**aligning["cpu"], "reads": reads}, "bytes": {**aligning["bytes"], "bases": index}},
        {
            "cpu": {**building["cpu"], "bases": seconds},
            # The reference is fetched, the index stored.
            "bytes": {**building["bytes"], "bases": [[0, (BWA_MEM2_INDEX_BYTES + 1) * 1e9]]},
        },
    )


def share_of_bwa_mem2(run: dict[str, Any]) -> float:
    """Return the CPU seconds of aligning with bwa-mem2, relative to those with bwa."""
    return float(_of("bwa_mem", run["bwa_mem2"])["cpu"] / _of("bwa_mem", run["rules"])["cpu"])


def _of(rule: str, rules: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return next(one for one in rules if one["rule"] == rule)


def tables(measured: dict[str, Any], model: dict[str, Any]) -> str:
    """Return the tables of large.md: what was measured, and the model."""
    by_run = [{one["rule"]: one for one in run["rules"]} for run in measured["runs"]]
    names = [run["name"] for run in measured["runs"]]
    rules = sorted(
        set(model["rules"]) - {*TWINS, *OF_BWA_MEM2}, key=lambda rule: (-by_run[-1].get(rule, {"cpu": 0})["cpu"], rule)
    )

    def table(title: str, show: Callable[[dict[str, Any]], str], *more: list[str]) -> list[str]:
        rows = [[rule, *(show(run[rule]) if rule in run else "" for run in by_run)] for rule in rules]
        heads = [[title, *names], ["---", *["---:"] * len(names)]]
        return ["", *(f"| {' | '.join(row)} |" for row in [*heads, *rows, *more])]

    sums = [f"{sum(one['cpu'] for one in run.values()):,.1f}" for run in by_run]
    lines = [
        f"Measured {measured['measured']}.",
        *table("CPU seconds", lambda one: f"{one['cpu']:,.1f}", ["sum", *sums]),
        *table("jobs", lambda one: str(one["jobs"])),
        *table("wall seconds", lambda one: f"{one['wall']:,.0f}"),
        *table("MB of memory, largest job", lambda one: f"{one['memory']:,.0f}"),
        *table("MB read and written", lambda one: f"{(one['read'] + one['written']) / 1e6:,.0f}"),
        *table_of_bwa_mem2([run for run in measured["runs"] if run["bwa_mem2"]]),
        "",
        "| the model: CPU seconds for | a job | a million reads | a billion bases |",
        "| --- | ---: | ---: | ---: |",
    ]
    for rule in rules:
        cpu = model["rules"][rule]["cpu"]
        cells = [
            "; ".join(f"{need:.3g}" + (f" at {size / 1e6:g} Mb" if size else "") for size, need in cpu[part])
            for part in ("reads", "bases")
        ]
        where = " that reads cover" if rule in COVERED else ""
        lines.append(f"| {rule} | {cpu['fixed']:.3g} | {' | '.join(cells)}{where} |")
    return "\n".join(lines) + "\n"


def table_of_bwa_mem2(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Return the table of what bwa-mem2 took in the same runs."""
    built, aligned = ([_of(rule, run["bwa_mem2"]) for run in runs] for rule in ("bwa_mem2_index", "bwa_mem"))
    rows = {
        "with bwa-mem2": [run["name"] for run in runs],
        "---": ["---:"] * len(runs),
        "bwa_mem: CPU seconds": [f"{one['cpu']:,.1f}" for one in aligned],
        "those with bwa are 1": [f"{share_of_bwa_mem2(run):.2f}" for run in runs],
        "bwa_mem: MB of memory": [f"{one['memory']:,.0f}" for one in aligned],
        "bwa_mem2_index: CPU seconds": [f"{one['cpu']:,.1f}" for one in built],
        "bwa_mem2_index: MB of memory": [f"{one['memory']:,.0f}" for one in built],
    }
    return ["", *(f"| {' | '.join([head, *cells])} |" for head, cells in rows.items())]


def page(text: str, figures: str) -> str:
    """Return large.md with these tables."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{figures}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if something would change")
    options = parser.parse_args()
    measured = json.loads(RESULT.read_text())
    model = fitted(measured)
    wanted = {
        MODEL: json.dumps(model, indent=1) + "\n",
        PAGE: page(PAGE.read_text(), tables(measured, model)),
    }
    stale = [file for file, text in wanted.items() if not file.exists() or file.read_text() != text]
    if options.check and stale:
        sys.exit(f"not as {RESULT.name} gives them: {', '.join(str(file.relative_to(ROOT)) for file in stale)}")
    if not options.check:
        for file, text in wanted.items():
            file.write_text(text)


if __name__ == "__main__":
    main()
