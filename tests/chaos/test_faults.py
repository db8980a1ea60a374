"""Whatever goes wrong between operator and API server, once and at any point: the same end, each Job made once.

By default each third point is tried, another third for each kind of fault; with NARWHAL_CHAOS=full every one (`make chaos`).
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.chaos.proxy import Fault, Kind
from tests.chaos.story import Place, Told, tell

STRIDE = 1 if os.environ.get("NARWHAL_CHAOS") == "full" else 3
AT_ONCE, AWAY_AT_ONCE = (6, 2) if STRIDE == 1 else (3, 1)
"""Stories told side by side, and besides those whose API server is away, which mostly wait."""
OUTAGE_SECONDS = 120.0 if STRIDE == 1 else 20.0
RECOVERY_SECONDS = 30.0
SWEEPS = Counter({"DownloadJob/gone/Sweep/1": 1})
WRITES, EVENTS, WATCHES = 0, 1, 2


def points(count: int, offset: int = 0) -> range:
    """The numbers from 1 to the count that are tried."""
    return range(1 + offset % STRIDE, count + 1, STRIDE)


def all_wrong(place: Place, calm: Told, faults: Sequence[Fault], at_once: int = AT_ONCE) -> str:
    """What is wrong with how the story ended, a line a fault; empty when nothing is."""
    assert faults

    def one(numbered: tuple[int, Fault]) -> str | None:
        number, fault = numbered
        name = f"{fault.kind.replace(' ', '-')}-{fault.status}-{number}"
        return wrong(calm, fault, tell(place, name, fault, calm.end))

    with ThreadPoolExecutor(at_once) as pool:
        return "\n".join(line for line in pool.map(one, enumerate(faults)) if line)


@pytest.fixture(scope="session")
def away(place: Place, calm: Told) -> Iterator[Future[str]]:
    """The stories in which the API server is away, told beside the others."""
    faults = [Fault("outage", at, seconds=OUTAGE_SECONDS) for at in points(calm.counts[WRITES])[::4]]
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(all_wrong, place, calm, faults, AWAY_AT_ONCE)


def wrong(calm: Told, fault: Fault, told: Told) -> str | None:
    """What is wrong with a story; None when nothing is."""
    if not told.struck:
        return None if told.end == calm.end else f"{fault}: it did not come to that, and yet: {difference(calm, told)}"
    if fault.status == 422 and told.struck.startswith("POST") and told.struck.endswith("/jobs"):
        return None if said_invalid(told) else f"{fault}: nobody says that the Job is invalid: {told.end}"
    if told.end != calm.end:
        return f"{fault} ({told.struck}): another end: {difference(calm, told)}\n{told.log[-3000:]}"
    # A sweep that ended while nobody could look, and was removed after its time to live, is made again.
    again = told.jobs - calm.jobs if fault.kind != "outage" else told.jobs - calm.jobs - SWEEPS
    if again or calm.jobs - told.jobs:
        return f"{fault} ({told.struck}): Jobs {told.jobs - calm.jobs} too many, {calm.jobs - told.jobs} too few"
    return f"{fault}: took {told.seconds:.0f} s" if told.seconds > RECOVERY_SECONDS else None


def difference(calm: Told, told: Told) -> str:
    """Where two ends differ."""
    keys = sorted(key for key in {*told.end, *calm.end} if told.end.get(key) != calm.end.get(key))
    return "; ".join(f"{key}: {told.end.get(key)} for {calm.end.get(key)}" for key in keys)


def said_invalid(told: Told) -> bool:
    """A Job the API server calls invalid will never be valid: its resource is Failed, or goes when it was to be swept."""
    conditions = [c for key, value in told.end.items() if not key.startswith("Job/") for c in value["conditions"]]
    return ("Failed", "True", "InvalidOrder") in conditions or "DownloadJob/gone" not in told.end


def test_the_story_ends_as_it_should(calm: Told) -> None:
    """Undisturbed: films and flaky are Complete, what was deleted is gone, each Job was made once, stages too."""
    ready = {
        key: [reason for kind, _, reason in value["conditions"] if kind == "Ready"]
        for key, value in calm.end.items()
        if not key.startswith("Job/")
    }
    names = ("DownloadJob/film", "DownloadJob/flaky", "TranscodingJob/film", "TranscodingJob/long")
    done = {key: ["Completed"] for key in names}
    assert ready == done, calm.log
    assert calm.end["DownloadJob/flaky"]["attempts"] == [(1, "StoreUnreachable"), (2, "Completed")]
    assert set(calm.jobs.values()) == {1}
    assert len(calm.jobs) == 9


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("kind", ["kill before", "kill after"])
def test_killed_at_a_write(place: Place, calm: Told, kind: Kind) -> None:
    """SIGKILL before the API server has it, or before the operator knows that it has."""
    faults = [Fault(kind, at) for at in points(calm.counts[WRITES], kind == "kill after")]
    found = all_wrong(place, calm, faults)
    assert not found, found


@pytest.mark.parametrize("status", [409, 422, 429, 500])
def test_a_write_is_answered_with_an_error(place: Place, calm: Told, status: int) -> None:
    """Once, and not carried out: it is made again, or what it was for comes about another way."""
    found = all_wrong(place, calm, [Fault("answer", at, status) for at in points(calm.counts[WRITES], status)])
    assert not found, found


@pytest.mark.parametrize("kind", ["drop", "duplicate", "delay"])
def test_a_watch_event_goes_astray(place: Place, calm: Told, kind: Kind) -> None:
    """Lost, told twice, or told late: events only say where to look."""
    faults = [Fault(kind, at) for at in points(calm.counts[EVENTS], len(kind))]
    found = all_wrong(place, calm, faults)
    assert not found, found


def test_watches_fall_silent_or_expire(place: Place, calm: Told) -> None:
    """No event any more on any watch from some point on; or 410 Gone for one watch."""
    faults = [Fault("stall", at) for at in points(calm.counts[EVENTS])[::4]]
    faults += [Fault("gone watch", at) for at in points(calm.counts[WATCHES])]
    found = all_wrong(place, calm, faults)
    assert not found, found


def test_an_operator_that_starts_again_is_shown_an_old_list(place: Place, calm: Told) -> None:
    """Killed at a write; the next one's first lists are those of the beginning, when little was there."""
    found = all_wrong(place, calm, [Fault("stale list", at) for at in points(calm.counts[WRITES], 2)])
    assert not found, found


def test_the_api_server_is_away(away: Future[str]) -> None:
    """No connection holds, from a write on, for longer than a Lease lasts; with NARWHAL_CHAOS=full for two minutes."""
    found = away.result()
    assert not found, found
