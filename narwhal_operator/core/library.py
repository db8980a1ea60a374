"""MediaLibrary: one DownloadJob and one TranscodingJob for each title, a bounded number of titles at once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from narwhal_operator.contract import conditions as c
from narwhal_operator.contract import download, transcode
from narwhal_operator.contract.common import Suspendable
from narwhal_operator.contract.library import Counts, Item, ItemStatus, MediaLibrarySpec, MediaLibraryStatus
from narwhal_operator.contract.naming import child_name
from narwhal_operator.contract.outcome import Reason
from narwhal_operator.core.announce import news_of
from narwhal_operator.core.case import fault_of
from narwhal_operator.core.history import parse_status
from narwhal_operator.core.observed import Observed, RefusalKind, Resource
from narwhal_operator.core.plan import Action, CreateChild, DeleteChild, PatchChild, Plan
from narwhal_operator.core.summary import State, Verdict, conditions_of
from narwhal_operator.core.text import rfc3339

WAITING, DOWNLOADING, TRANSCODING = "Waiting", "Downloading", "Transcoding"
COMPLETE, FAILED = "Complete", "Failed"
_RETRY: Final = 15.0
"""Seconds until a child that the API server refused is tried again."""


@dataclass(frozen=True, slots=True)
class _Title:
    """One title and the children it has."""

    item: Item
    name: str  # of both children
    download: Resource | None
    transcode: Resource | None

    @property
    def status(self) -> ItemStatus:
        """How far it is, by the conditions of its children."""
        for child in (self.transcode, self.download):
            if child is not None and child.holds(c.FAILED):
                reason = str((child.condition(c.FAILED) or {}).get("reason") or "")
                return ItemStatus(name=self.item.name, phase=FAILED, reason=reason[:32] or None)
        if self.transcode is not None and self.transcode.holds(c.COMPLETE):
            return ItemStatus(name=self.item.name, phase=COMPLETE)
        if self.download is None and self.transcode is None:
            return ItemStatus(name=self.item.name, phase=WAITING)
        loaded = self.download is not None and self.download.holds(c.COMPLETE)
        return ItemStatus(name=self.item.name, phase=TRANSCODING if loaded else DOWNLOADING)


def decide(observed: Observed, now: datetime) -> Plan:
    """What should be done about a MediaLibrary. Its children go with it by their owner reference."""
    resource = observed.resource
    if resource.deleted_at is not None:
        return Plan()
    try:
        spec = MediaLibrarySpec.from_wire(resource.spec)
    except ValidationError as error:
        verdict = Verdict(State.FAILED, Reason.INVALID_ORDER, fault_of(error), FAILED)
        return _plan(observed, now, verdict, ())
    titles = _titles(observed, spec)
    statuses = tuple(title.status for title in titles)
    verdict = _verdict(observed, spec, statuses)
    if observed.refusal is not None:
        return _plan(observed, now, verdict, statuses)
    actions = (*_strays(observed, titles), *_adjusted(spec, resource.key.name, titles))
    created = _created(spec, resource.key.name, titles, statuses)
    return _plan(observed, now, verdict, statuses, (*actions, *created))


def _titles(observed: Observed, spec: MediaLibrarySpec) -> tuple[_Title, ...]:
    children = {(child.key.kind, child.key.name): child for child in observed.children}
    names = [(item, child_name(observed.resource.key.name, item.name)) for item in spec.items]
    return tuple(
        _Title(item, name, children.get((download.KIND, name)), children.get((transcode.KIND, name)))
        for item, name in names
    )


def _created(
    spec: MediaLibrarySpec, library: str, titles: tuple[_Title, ...], statuses: tuple[ItemStatus, ...]
) -> tuple[Action, ...]:
    """The children of titles that have begun or may begin: as many at once as the spec allows, in its order."""
    room = spec.max_concurrent_items - sum(status.phase in {DOWNLOADING, TRANSCODING} for status in statuses)
    actions: list[Action] = []
    for title, status in zip(titles, statuses, strict=True):
        if status.phase in {COMPLETE, FAILED}:
            continue
        if status.phase == WAITING:
            if room <= 0:
                continue
            room -= 1
        if title.download is None:
            actions.append(CreateChild(download.KIND, title.name, spec.download_spec(title.item).wire()))
        if title.transcode is None:
            made = spec.transcode_spec(library, title.item)
            actions.append(CreateChild(transcode.KIND, title.name, made.wire()))
    return tuple(actions)


def _adjusted(spec: MediaLibrarySpec, library: str, titles: tuple[_Title, ...]) -> tuple[Action, ...]:
    """Children whose spec is not what the templates say now, such as `suspend`."""
    actions: list[Action] = []
    for title in titles:
        wanted: tuple[tuple[Resource | None, Suspendable], ...] = (
            (title.download, spec.download_spec(title.item)),
            (title.transcode, spec.transcode_spec(library, title.item)),
        )
        for child, want in wanted:
            if child is not None and child.deleted_at is None and not _says(child, want):
                actions.append(PatchChild(child.key.kind, child.key.name, want.wire()))
    return tuple(actions)


def _says(child: Resource, want: Suspendable) -> bool:
    try:
        return type(want).from_wire(child.spec) == want
    except ValidationError:
        return False


def _strays(observed: Observed, titles: tuple[_Title, ...]) -> tuple[Action, ...]:
    """Children of titles that are not in the spec any more."""
    names = {title.name for title in titles}
    return tuple(
        DeleteChild(child.key.kind, child.key.name, child.uid)
        for child in observed.children
        if child.key.name not in names and child.deleted_at is None
    )


def _verdict(observed: Observed, spec: MediaLibrarySpec, statuses: tuple[ItemStatus, ...]) -> Verdict:
    phases = [status.phase for status in statuses]
    done, failed = phases.count(COMPLETE), phases.count(FAILED)
    message = f"{done} of {len(phases)} titles are complete, {failed} failed."
    if observed.refusal is not None:
        refused = f"The API server refuses a child: {observed.refusal.message} {message}"
        reason = Reason.INVALID_ORDER if observed.refusal.kind is RefusalKind.INVALID else Reason.POD_REFUSED
        return Verdict(State.RECONCILING, reason, refused, "Active", requeue_after=_RETRY)
    if done == len(phases):
        return Verdict(State.COMPLETE, Reason.COMPLETED, message, COMPLETE)
    if done + failed == len(phases):
        mend = "See status.items; mend or remove those, the others are published."
        return Verdict(State.FAILED, c.ITEMS_FAILED, f"{message} {mend}", FAILED)
    if spec.suspend:
        return Verdict(State.SUSPENDED, c.SUSPENDED, f"spec.suspend is true. {message}", "Suspended")
    return Verdict(State.RECONCILING, c.PROGRESSING, message, "Active")


def _plan(
    observed: Observed,
    now: datetime,
    verdict: Verdict,
    statuses: tuple[ItemStatus, ...],
    actions: tuple[Action, ...] = (),
) -> Plan:
    resource = observed.resource
    before = parse_status(MediaLibraryStatus, resource.status)
    phases = [status.phase for status in statuses]
    counts = Counts(
        total=len(phases),
        waiting=phases.count(WAITING),
        active=phases.count(DOWNLOADING) + phases.count(TRANSCODING),
        complete=phases.count(COMPLETE),
        failed=phases.count(FAILED),
    )
    ended = verdict.state in {State.COMPLETE, State.FAILED}
    status = MediaLibraryStatus(
        observed_generation=resource.generation,
        phase=verdict.phase,
        conditions=conditions_of(verdict, resource, now),
        started_at=before.started_at or rfc3339(now),
        finished_at=(before.finished_at or rfc3339(now)) if ended else None,
        counts=counts,
        items=list(statuses),
    )
    return Plan(actions, status.wire(), news_of(resource, verdict, str(resource.generation)), verdict.requeue_after)
