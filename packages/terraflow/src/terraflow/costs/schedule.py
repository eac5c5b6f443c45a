"""When a run ends: its tasks one after the other, as their needs and the vCPUs allow."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    """A task: how long it runs, how many vCPUs it takes, and which earlier tasks have to end before."""

    seconds: float
    vcpus: float
    needs: Sequence[int]


def seconds_until_done(tasks: Sequence[Timed], vcpus: float | None) -> float:
    """Return the seconds from the first task's start to the last one's end, with so many vCPUs at a time.

    Of those that are ready, the first starts first, as in a queue; None is no limit. A task that is larger than the
    limit takes all vCPUs, so that there is an answer.
    """
    waits = [len(task.needs) for task in tasks]
    after: list[list[int]] = [[] for _ in tasks]
    for number, task in enumerate(tasks):
        for need in task.needs:
            after[need].append(number)
    ready = [number for number, count in enumerate(waits) if not count]
    running: list[tuple[float, int]] = []
    free = float("inf") if vcpus is None else vcpus
    now = 0.0
    heapq.heapify(ready)
    while ready or running:
        while ready and (size := _size(tasks[ready[0]], vcpus)) <= free:
            number = heapq.heappop(ready)
            free -= size
            heapq.heappush(running, (now + tasks[number].seconds, number))
        now, number = heapq.heappop(running)
        free += _size(tasks[number], vcpus)
        for later in after[number]:
            waits[later] -= 1
            if not waits[later]:
                heapq.heappush(ready, later)
    return now


def _size(task: Timed, vcpus: float | None) -> float:
    return task.vcpus if vcpus is None else min(task.vcpus, vcpus)
