"""Observe, decide, execute: the same few lines for every kind. No rule stands here."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

import structlog

from narwhal_operator import metrics, tally
from narwhal_operator.admission import Admission
from narwhal_operator.core.observed import Key, Observed
from narwhal_operator.core.parse import resource_of
from narwhal_operator.core.plan import Action, CreateJob, Plan, SetFinalizer
from narwhal_operator.core.policy import Policy
from narwhal_operator.kube.client import Api
from narwhal_operator.kube.errors import ApiError, Conflict, NotFound, Refused, Throttled
from narwhal_operator.kube.execute import Execution
from narwhal_operator.kube.observe import Memory, again, around, observe
from narwhal_operator.queue import REPORT, WORDS, WorkQueue
from narwhal_operator.recent import Recent

_CONFLICT_RETRY = 0.05
"""Seconds until a resource that changed under a pass is looked at again."""
_BURST = 8
"""Keys that wait beside those worked on. With more of them work goes before words: a pass that has acted leaves events and
status to a later turn of the key, when nothing else is to do; an operator that dies before finds the work done, as after
any restart."""
_WORDS_LATER = 2.0
"""Seconds until that turn (and queue.WORDS_WAIT more while there is work): the API server makes the Jobs of others first,
while a person would hardly have looked."""
_UNTOLD = 1_000
"""Resources whose words may wait at once: each is held with its spec, some 20 kB."""
_log = structlog.get_logger()


@dataclass(slots=True)
class _Words:
    """What a pass has decided to tell, and has not told yet."""

    execution: Execution
    plan: Plan
    since: float  # by the monotonic clock
    stale: bool = False  # something else was heard of the resource since: a pass takes their place


@dataclass(slots=True)
class Reconciler:
    """Brings resources, one pass at a time, to where they should be."""

    api: Api
    queue: WorkQueue
    policy: Policy
    memory: Memory
    clock: Callable[[], datetime]
    admission: Admission
    seen: Callable[[Observed | None, Key], None] = lambda _observed, _key: None  # whoever follows what passes see
    recent: Recent = field(default_factory=Recent)
    _written: dict[Key, set[str]] = field(default_factory=dict)
    _untold: dict[Key, _Words] = field(default_factory=dict)

    async def handle(self, key: Key, causes: frozenset[str]) -> None:
        """One pass, unless all that brought the key here is what its last pass wrote itself, or its words wait."""
        news = causes - self._written.get(key, set())
        if not news:
            return
        if self._waits(key, news):
            return
        began, result = monotonic(), "done"
        try:
            words = self._untold.get(key)
            if words is not None and not words.stale:
                await self._tell(key, words)
            elif news != {REPORT} or not await self.show(key):
                await self.once(key)
            self.queue.forgive(key)
        except (Conflict, NotFound):
            result = "conflict"
            self.queue.add_after(key, _CONFLICT_RETRY)
        except Throttled as error:
            result = "throttled"
            self.queue.add_after(key, error.retry_after)
        except ApiError as error:
            result = "error"
            _log.warning("the API server did not do it", key=_words(key), code=error.code, error=str(error))
            self.queue.retry(key)
        finally:
            metrics.PASS_SECONDS.labels(key.kind, result).observe(monotonic() - began)

    def _waits(self, key: Key, news: frozenset[str]) -> bool:
        """Whether the key's words may wait longer; what else is heard meanwhile makes them stale."""
        words = self._untold.get(key)
        if words is None:
            return False
        words.stale = words.stale or news != {WORDS}
        wait = words.since + _WORDS_LATER - monotonic()
        if wait > 0:
            self.queue.add_after(key, wait, WORDS)  # what brought the key here may have taken the place of its turn
        return wait > 0

    async def once(self, key: Key) -> None:
        """One pass. Raises `kube.errors`."""
        self.recent.forget(key)
        now = self.clock()
        new = await self._told(key, now)
        observed = new[0] if new is not None else await observe(self.api, key, self.policy, self.memory, now)
        self.seen(observed, key)
        if observed is None:
            self._gone(key)
            return
        plan = new[1] if new is not None else self.admission.decided(observed, now)
        execution = Execution(self.api, observed, now)
        self._written[key] = execution.written
        try:
            await execution.act(plan)
        except Refused as error:
            execution.observed = replace(execution.observed, refusal=error.refusal)
            plan = self.admission.decided(execution.observed, now)
            await execution.act(plan)
        _note_actions(key, plan)
        words = _Words(execution, plan, monotonic())
        if plan.actions and len(self.queue) > _BURST and key not in self._untold and len(self._untold) < _UNTOLD:
            self._untold[key] = words
            self.queue.schedule(key, _WORDS_LATER, WORDS)
            return
        await self._tell(key, words)

    async def _told(self, key: Key, now: datetime) -> tuple[Observed, Plan] | None:
        """A new resource as its event told it, and its plan; None where it must be read.

        It need not where the plan begins with a write that names the version, which is refused if the event is old, or where
        all it does is make a Job that stays suspended: nothing runs of it, whatever has become of the resource meanwhile.
        """
        raw = self.memory.told(key)
        if raw is None:
            return None
        observed = await around(self.api, resource_of(raw), self.policy, self.memory, now)
        plan = self.admission.decided(observed, now)
        return (observed, plan) if _safe(plan.actions) else None

    def _gone(self, key: Key) -> None:
        """A resource is there no more."""
        self._written.pop(key, None)
        self._untold.pop(key, None)
        self.queue.schedule(key, None)
        self.admission.gone(key)

    async def _tell(self, key: Key, words: _Words) -> None:
        """Events and status. Raises `kube.errors`: Conflict where the resource has changed since it was decided."""
        self._untold.pop(key, None)
        execution, plan = words.execution, words.plan
        before = execution.observed.resource.status
        await execution.tell(plan)
        tally.note(key, before, plan.status)
        self.recent.note(key, execution.observed)
        self.queue.schedule(key, plan.requeue_after)
        _note_news(key, plan, execution)

    async def show(self, key: Key) -> bool:
        """What workers report, shown beside what the last pass saw: one write, nothing read. False where it takes a pass.

        It does where the decision asks for more than a status. Raises `kube.errors`: Conflict where the resource has changed.
        """
        known = self.recent.get(key)
        if known is None:
            return False
        now = self.clock()
        observed = again(known, self.memory)
        plan = self.admission.decided(observed, now)
        if plan.actions or plan.events or plan.requeue_after is not None:
            return False
        execution = Execution(self.api, observed, now)
        await execution.tell(plan)
        self._written[key] = execution.written or self._written.get(key, set())
        self.recent.shown(key, execution.observed)
        return True


def _safe(actions: tuple[Action, ...]) -> bool:
    """Whether these may be done to a resource that is no longer as it was told."""
    match actions:
        case (SetFinalizer(), *_):
            return True
        case (CreateJob(suspend=True, queue=None),):  # another's queue would start it
            return True
        case _:
            return False


def _note_actions(key: Key, plan: Plan) -> None:
    """What a pass did, to log and metrics."""
    if plan.actions:
        _log.info("acted", key=_words(key), actions=[type(action).__name__ for action in plan.actions])
    created = sum(isinstance(action, CreateJob) for action in plan.actions)
    metrics.JOBS_CREATED.labels(key.kind).inc(created)


def _note_news(key: Key, plan: Plan, execution: Execution) -> None:
    """What a pass told, to log and metrics."""
    for event in plan.events:
        _log.info("event", key=_words(key), reason=event.reason, message=event.message)
    if execution.unsent:
        metrics.EVENTS_UNSENT.inc(len(execution.unsent))
        _log.warning("events not posted", key=_words(key), error=str(execution.unsent[0]))


def _words(key: Key) -> str:
    return f"{key.kind} {key.namespace}/{key.name}"
