"""The least that the next attempt of a job must have, noted by several threads at once."""

import threading

from snakemake_executor_plugin_aws_batch_fargate.ledger import Ledger
from snakemake_executor_plugin_aws_batch_fargate.shapes import Least, Shape


def test_memory_and_disk_that_two_threads_note_are_both_kept() -> None:
    ledger, shape = Ledger(), Shape(1, 2048, 50)
    assert ledger.least("a") == Least()
    threads = [
        threading.Thread(target=ledger.raise_least, args=("a", shape), kwargs={"memory": memory, "disk": not memory})
        for memory in (True, False)
    ]
    with ledger._lock:
        for thread in threads:
            thread.start()
        assert all(thread.is_alive() for thread in threads), "they wait for the lock"
        assert "a" not in ledger._least
    for thread in threads:
        thread.join()
    found = ledger.least("a")
    assert found.memory_mib == 4096 and found.disk_gib >= 50
    assert ledger.least("b") == Least()
