"""What processes use, told apart by the thread that started them; memory over a tree of processes."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from fake_head import until
from snakemake_executor_plugin_aws_batch_fargate import usage
from snakemake_executor_plugin_aws_batch_fargate.usage import Usage, below

MIB = 2**20
# CPU seconds in a child of the shell.
WORK = f"{sys.executable} -c 'import time\nwhile time.process_time() < {{}}: pass'; true"


@pytest.fixture(autouse=True)
def begun(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(subprocess, "Popen", subprocess.Popen)
    usage.begin()
    yield


def test_rules_that_run_at_the_same_time_are_told_apart() -> None:
    found: dict[str, Usage] = {}

    def rule(name: str, seconds: float) -> None:
        with usage.measured() as used:
            subprocess.run(WORK.format(seconds), shell=True, check=True)
        found[name] = used

    threads = [threading.Thread(target=rule, args=given) for given in (("long", 0.6), ("short", 0.1))]
    for thread in threads:
        thread.start()
    # This one counts for no rule.
    subprocess.run(WORK.format(0.1), shell=True, check=True)
    for thread in threads:
        thread.join()
    long, short = found["long"].cpu or 0, found["short"].cpu or 0
    assert 0.6 <= long < 1.0 and 0.1 <= short < 0.5, (long, short)
    assert (found["long"].failed, found["long"].running) == (None, set())


def test_memory_is_that_of_all_processes_at_a_time() -> None:
    """Both hold it until their input ends."""
    one = f"{sys.executable} -c 'import sys; held = bytearray(60 * {MIB}); print(flush=True); sys.stdin.read()' <&3"
    with usage.measured() as used:
        process = subprocess.Popen(
            f"exec 3<&0; {one} & {one}; wait", shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin and process.stdout
        for _ in range(2):
            process.stdout.readline()
        until(lambda: (used.peak or 0) > 120 * MIB)
        process.stdin.close()
        process.stdout.close()
        process.wait()
    assert 120 * MIB < (used.peak or 0) < 300 * MIB


def test_the_exit_code_of_a_tool_that_fails() -> None:
    with usage.measured() as used:
        assert subprocess.run("exit 3", shell=True, check=False).returncode == 3
    assert used.failed == 3


@pytest.mark.parametrize(
    ("roots", "expected"),
    [([], set()), ([2], {2, 3, 4}), ([4], {4}), ([2, 3], {2, 3, 4}), ([9], set()), ([1], {1, 2, 3, 4, 5})],
)
def test_processes_below_others(roots: list[int], expected: set[int]) -> None:
    found = {1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (3, 0), 5: (1, 0)}
    assert below(roots, found) == expected
