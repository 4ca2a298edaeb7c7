"""Runs jobs that depend on each other: ordering, retries, time limits, and a report at the end."""

import heapq
import json
import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Set

logger = logging.getLogger(__name__)


class SchedulerError(Exception):
    """Something is wrong with the jobs themselves, not with running them."""


class CycleError(SchedulerError):
    def __init__(self, names: Iterable[str]):
        self.names = sorted(names)
        super().__init__("jobs depend on each other in a circle: " + ", ".join(self.names))


@dataclass
class Job:
    name: str
    action: Callable[[], object]
    needs: Set[str] = field(default_factory=set)
    priority: int = 0
    retries: int = 0
    timeout: Optional[float] = None

    def __lt__(self, other: "Job") -> bool:
        return (-self.priority, self.name) < (-other.priority, other.name)


@dataclass
class Result:
    job: str
    succeeded: bool
    attempts: int
    seconds: float
    error: Optional[str] = None

    def to_dict(self) -> Dict[str, object]:
        return {
            "job": self.job,
            "succeeded": self.succeeded,
            "attempts": self.attempts,
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }


class Scheduler:
    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.jobs: Dict[str, Job] = {}
        self.results: Dict[str, Result] = {}
        self.clock = clock

    def add(self, job: Job) -> None:
        if job.name in self.jobs:
            raise SchedulerError(f"there are two jobs named {job.name}")
        self.jobs[job.name] = job

    def dependents(self) -> Dict[str, List[str]]:
        """For each job the names of the jobs that wait for it."""
        waiting = defaultdict(list)
        for job in self.jobs.values():
            for name in job.needs:
                if name not in self.jobs:
                    raise SchedulerError(f"{job.name} needs {name}, which does not exist")
                waiting[name].append(job.name)
        return waiting

    def order(self) -> List[Job]:
        """All jobs, each after the ones it needs; among the ready ones the highest priority first."""
        waiting = self.dependents()
        missing = {name: len(job.needs) for name, job in self.jobs.items()}
        ready = [job for job in self.jobs.values() if not job.needs]
        heapq.heapify(ready)
        ordered = []
        while ready:
            job = heapq.heappop(ready)
            ordered.append(job)
            for name in waiting[job.name]:
                missing[name] -= 1
                if missing[name] == 0:
                    heapq.heappush(ready, self.jobs[name])
        if len(ordered) < len(self.jobs):
            names = set(self.jobs) - {job.name for job in ordered}
            raise CycleError(names)
        return ordered

    def run(self) -> List[Result]:
        for job in self.order():
            failed = [name for name in job.needs if not self.results[name].succeeded]
            if failed:
                error = "skipped, because these failed: " + ", ".join(sorted(failed))
                self.results[job.name] = Result(job.name, False, 0, 0.0, error)
                logger.warning("%s %s", job.name, error)
                continue
            self.results[job.name] = self.run_one(job)
        return list(self.results.values())

    def run_one(self, job: Job) -> Result:
        started = self.clock()
        error = None
        for attempt in range(1, job.retries + 2):
            try:
                job.action()
            except Exception as exception:
                error = str(exception)
                logger.info("%s failed at attempt %d: %s", job.name, attempt, error)
            else:
                return Result(job.name, True, attempt, self.clock() - started)
            if job.timeout is not None and self.clock() - started > job.timeout:
                error = f"gave up after {job.timeout} seconds"
                break
        return Result(job.name, False, attempt, self.clock() - started, error)

    def report(self) -> str:
        lines = []
        width = max((len(name) for name in self.results), default=0)
        for result in self.results.values():
            mark = "ok" if result.succeeded else "failed"
            lines.append(f"{result.job:<{width}}  {mark:<6}  {result.seconds:8.2f} s")
        succeeded = sum(1 for result in self.results.values() if result.succeeded)
        lines.append(f"{succeeded} of {len(self.results)} jobs succeeded")
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        results = [result.to_dict() for result in self.results.values()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)


def load_results(path: Path) -> Dict[str, Result]:
    with path.open(encoding="utf-8") as file:
        entries = json.load(file)
    results = {}
    for entry in entries:
        result = Result(
            job=entry["job"],
            succeeded=entry["succeeded"],
            attempts=entry["attempts"],
            seconds=entry["seconds"],
            error=entry.get("error"),
        )
        results[result.job] = result
    return results


def slowest(results: Iterable[Result], count: int = 5) -> List[Result]:
    """The jobs that took longest, slowest first."""
    return sorted(results, key=lambda result: result.seconds, reverse=True)[:count]
