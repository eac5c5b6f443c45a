"""Rule windows: each base lies in one window, and windows without bases are called, too."""

from project import NO_DISK_IN_COMMON, Copy
from tiny import LENGTHS

from shared import output_of


def test_windows_hold_each_base_once_and_are_of_equal_size(copy: Copy) -> None:
    project = copy("reference")
    beds = {"calling": 3, "coverage": 8}

    project.rule("windows", *(f"results/reference/{purpose}_windows.bed" for purpose in beds)).succeeded()

    for purpose, number in beds.items():
        rows = [
            line.split("\t") for line in project[f"results/reference/{purpose}_windows.bed"].read_text().splitlines()
        ]
        covered = [(contig, base) for contig, start, end, _ in rows for base in range(int(start), int(end))]
        assert covered == [(contig, base) for contig, length in LENGTHS.items() for base in range(length)]
        sizes = [sum(int(end) - int(start) for *_, start, end, w in rows if int(w) == n + 1) for n in range(number)]
        assert sum(sizes) == sum(LENGTHS.values())
        assert max(sizes) - min(sizes) <= 1


def test_windows_without_bases_are_called_and_hold_nothing(copy: Copy) -> None:
    project = copy("reference", "alignments")
    project.config["calling"]["windows"] = 5
    project["results/reference/calling_windows.bed"].unlink()
    calls = [f"results/calls/all/{window}.bcf" for window in (4, 5)]

    project.rule("windows bcftools_call", *calls).succeeded()

    more = "calling.windows: found 5, more than the 3 tiles that the reference is called in: the others are empty"
    assert more in project.log("windows/calling")
    for path in calls:
        assert output_of("bcftools", "view", "-H", project[path]) == ""
    heads = [output_of("bcftools", "view", "-h", project[path]) for path in calls]
    assert heads[0].count("##contig") == heads[1].count("##contig") == len(LENGTHS)


def test_slices_of_a_window_without_bases_are_called_too(copy: Copy) -> None:
    project = copy("reference", "alignments")
    contig, length = list(LENGTHS.items())[-1]
    # The last of the three windows is one without bases, as in a genome of two.
    bed = "".join(f"{name}\t0\t{bases}\t1\n" for name, bases in LENGTHS.items())
    project.write(
        "results/reference/calling_windows.bed", f"{bed}{contig}\t0\t1\t2\n{contig}\t{length}\t{length + 1}\t3\n"
    )

    project.rule("slices bcftools_call", "results/calls/all/3.bcf", options=NO_DISK_IN_COMMON).succeeded()

    assert output_of("bcftools", "view", "-H", project["results/calls/all/3.bcf"]) == ""
