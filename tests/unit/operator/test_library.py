"""A MediaLibrary is its titles' DownloadJobs and TranscodingJobs, a bounded number of titles at once."""

from dataclasses import dataclass

import pytest

from narwhal_operator.contract.naming import child_name
from narwhal_operator.core import library
from narwhal_operator.core.observed import Json, Observed, Resource
from narwhal_operator.core.plan import CreateChild, DeleteChild, PatchChild, Plan
from tests.unit.operator import build as b


def spec(*names: str, **more: Json | int | bool) -> Json:
    """A library of these titles."""
    items = [{"name": n, "source": {"http": {"urls": [f"https://origin.example/{n}.mp4"]}}} for n in names]
    return {"items": items, "output": {"bucket": "media", "prefix": "lib"}} | more


def child(kind: str, title: str, condition: str | None = None, of: Json | None = None, **more: str) -> Resource:
    """A child as the library made it."""
    name = child_name("bbb", title)
    made = next(
        action
        for action in plan(of or spec(title)).actions
        if isinstance(action, CreateChild) and (action.kind, action.name) == (kind, name)
    )
    status = {"conditions": [b.true(condition, "SourceNotFound")]} if condition else {}
    return b.resource(kind, made.spec, status, name=name, uid=f"{kind}-{title}", **more)


def plan(of: Json, *children: Resource) -> Plan:
    """What is decided about a library of this spec with these children."""
    return library.decide(Observed(b.resource("MediaLibrary", of), children=children), b.NOW)


def pair(title: str, download: str | None = None, transcode: str | None = None) -> tuple[Resource, Resource]:
    """Both children of a title."""
    return child("DownloadJob", title, download), child("TranscodingJob", title, transcode)


@dataclass(frozen=True)
class Row:
    """A library, its children, what follows."""

    spec: Json
    children: tuple[Resource, ...]
    actions: list[str]
    counts: tuple[int, int, int, int]  # waiting, active, complete, failed
    reason: str


BOTH = ["create DownloadJob bbb-a", "create TranscodingJob bbb-a"]
ROWS = {
    "a title gets both children": Row(spec("a"), (), BOTH, (1, 0, 0, 0), "Progressing"),
    "no more titles at once than asked": Row(
        spec("a", "b", maxConcurrentItems=1), (), BOTH, (2, 0, 0, 0), "Progressing"
    ),
    "a title that works takes the room of the next": Row(
        spec("a", "b", maxConcurrentItems=1), pair("a"), [], (1, 1, 0, 0), "Progressing"
    ),
    "a title that has ended gives its room to the next": Row(
        spec("b", "a", maxConcurrentItems=1), pair("b", "Complete", "Complete"), BOTH, (1, 0, 1, 0), "Progressing"
    ),
    "a child that is missing is made again": Row(
        spec("a"), (child("DownloadJob", "a"),), BOTH[1:], (0, 1, 0, 0), "Progressing"
    ),
    "all complete is Complete": Row(spec("a"), pair("a", "Complete", "Complete"), [], (0, 0, 1, 0), "Completed"),
    "all ended and one failed is Failed": Row(
        spec("a", "b"), (*pair("a", "Complete", "Complete"), *pair("b", "Failed")), [], (0, 0, 1, 1), "ItemsFailed"
    ),
    "suspend reaches the children": Row(
        spec("a", suspend=True),
        pair("a"),
        ["patch DownloadJob bbb-a", "patch TranscodingJob bbb-a"],
        (0, 1, 0, 0),
        "Suspended",
    ),
    "a title taken out loses its children": Row(
        spec("a"),
        (*pair("a"), *pair("b")),
        ["delete DownloadJob bbb-b", "delete TranscodingJob bbb-b"],
        (0, 1, 0, 0),
        "Progressing",
    ),
    "a spec that is not understood is Failed": Row(spec("a") | {"x": 1}, (), [], (0, 0, 0, 0), "InvalidOrder"),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_library(row: Row) -> None:
    """Each sentence of the table holds."""
    decided = plan(row.spec, *row.children)
    verbs = {CreateChild: "create", PatchChild: "patch", DeleteChild: "delete"}
    words = [
        f"{verbs[type(a)]} {a.kind} {a.name}"
        for a in decided.actions
        if isinstance(a, CreateChild | PatchChild | DeleteChild)
    ]
    assert decided.status is not None
    counts = decided.status["counts"]
    assert words == row.actions
    assert tuple(counts[n] for n in ("waiting", "active", "complete", "failed")) == row.counts
    assert decided.status["conditions"][-1]["reason"] == row.reason


def test_a_failed_title_says_why() -> None:
    """The reason of the child that failed is in the list of items."""
    decided = plan(spec("a"), *pair("a", "Failed"))
    assert decided.status is not None
    assert decided.status["items"] == [{"name": "a", "phase": "Failed", "reason": "SourceNotFound"}]


def test_children_come_from_the_templates() -> None:
    """The transcode reads what the download makes; template options are in both."""
    of = spec("a", transcodeTemplate={"ladder": {"preset": "h264-mobile"}}, downloadTemplate={"connections": 2})
    download, transcode = (action for action in plan(of).actions if isinstance(action, CreateChild))
    assert download.spec["connections"] == 2
    assert download.spec["destination"] == {"bucket": "media", "key": "lib/a/source"}
    assert transcode.spec["input"] == {"downloadJobRef": {"name": "bbb-a"}}
    assert transcode.spec["ladder"] == {"preset": "h264-mobile"}


def test_256_titles_stay_far_below_the_bound_of_a_status() -> None:
    """A full library's status fits into 64 KiB."""
    names = [f"{'t' * 59}-{n:03d}" for n in range(256)]
    decided = plan(spec(*names, maxConcurrentItems=256))
    assert len(str(decided.status)) < 65_536
