"""Whatever ends a run, nothing half-made looks whole, and the same command finishes the work."""

import signal
from pathlib import Path

import pytest
from brake import Brake, Started, on_decompress, on_tool
from runs import Project, assert_same_results, assert_whole

# These runs make alignments and variants, but no pages about them.
VCF = "results/variants/all.vcf.gz"
# Rules in which runs are ended, and the tool and subcommand that is held there; without a tool, the whole job is held.
PLACES = {"decompress": (), "bwa_mem": ("bwa", "mem"), "sort_index": ("samtools", "merge")}


def brake_at(place: str, folder: Path) -> Brake:
    return on_tool(folder, *PLACES[place]) if PLACES[place] else on_decompress(folder)


def held_run(fresh: Project, place: str, folder: Path) -> tuple[Started, Brake]:
    """Start a run, and return it when a job is held in the middle."""
    brake = brake_at(place, folder)
    started = Started(fresh, brake, VCF)
    brake.wait()
    return started, brake


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_run_is_taken_up_where_it_stopped(
    place: str, fresh: Project, kept: Project, done: Project, tmp_path: Path
) -> None:
    started, _ = held_run(fresh, place, tmp_path / "brake")

    started.signal(signal.SIGKILL, group=True)
    first = started.ended()
    started.wait_for_jobs()

    assert first.code == -signal.SIGKILL
    assert place in first.rules - {job.split()[0] for job in first.finished}
    assert_whole(fresh, kept)

    second = fresh.run(VCF).succeeded()

    assert not second.jobs & first.finished
    assert_same_results(fresh, done)


@pytest.mark.parametrize("place", PLACES)
def test_jobs_that_outlive_their_run_do_not_disturb_the_next(
    place: str, fresh: Project, kept: Project, done: Project, tmp_path: Path
) -> None:
    started, brake = held_run(fresh, place, tmp_path / "brake")
    started.signal(signal.SIGKILL, group=False)
    first = started.ended()
    assert started.alive()
    assert_whole(fresh, kept)
    # The same job of the next run is held, too, so that the old one goes on while the new one is at work.
    next_brake = brake_at(place, tmp_path / "next")
    second = Started(fresh, next_brake, VCF)
    next_brake.wait()

    brake.release()
    started.wait_for_jobs()
    assert_whole(fresh, kept)
    next_brake.release()
    outcome = second.ended().succeeded()

    assert not outcome.jobs & first.finished
    assert_same_results(fresh, done)


@pytest.mark.parametrize("number, group", [(signal.SIGINT, True), (signal.SIGTERM, False)], ids=["Ctrl-C", "SIGTERM"])
def test_an_ended_run_leaves_no_processes(
    number: signal.Signals, group: bool, fresh: Project, kept: Project, done: Project, tmp_path: Path
) -> None:
    started, brake = held_run(fresh, "bwa_mem", tmp_path / "brake")

    started.signal(number, group=group)
    if not group:
        # Asked politely, Snakemake lets the jobs that run come to their end.
        brake.release()
    first = started.ended()
    started.wait_for_jobs()

    assert first.code not in (0, None)
    assert_whole(fresh, kept)
    second = fresh.run(VCF).succeeded()
    assert not second.jobs & first.finished
    assert_same_results(fresh, done)


def test_two_runs_do_not_work_in_one_folder(fresh: Project, tmp_path: Path) -> None:
    started, _ = held_run(fresh, "bwa_mem", tmp_path / "brake")
    scratch = set(fresh[".snakemake/scratch"].iterdir())

    fresh.run(VCF).failed("another run (process ", "works here")

    assert scratch <= set(fresh[".snakemake/scratch"].iterdir())
    started.signal(signal.SIGKILL, group=True)
    started.ended()
