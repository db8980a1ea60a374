"""Observe, decide, execute: the same few lines for every kind. No rule stands here."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

import structlog

from narwhal_operator import metrics, tally
from narwhal_operator.admission import Admission
from narwhal_operator.core.observed import Key, Observed
from narwhal_operator.core.plan import CreateJob, Plan
from narwhal_operator.core.policy import Policy
from narwhal_operator.kube.client import Api
from narwhal_operator.kube.errors import ApiError, Conflict, NotFound, Refused, Throttled
from narwhal_operator.kube.execute import Execution
from narwhal_operator.kube.observe import Memory, again, observe
from narwhal_operator.queue import REPORT, WorkQueue
from narwhal_operator.recent import Recent

_CONFLICT_RETRY = 0.05
"""Seconds until a resource that changed under a pass is looked at again."""
_BURST = 32
"""Keys that wait. With more of them work goes before words: a pass that has acted leaves events and status to a later
turn of the key, which finds the work done, as after a restart."""
_WORDS_LATER = 2.0
"""Seconds until that turn: the API server makes the Jobs of others first, while a person would hardly have looked."""
_log = structlog.get_logger()


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
    _untold: dict[Key, float] = field(default_factory=dict)  # until when words may wait, by the monotonic clock

    async def handle(self, key: Key, causes: frozenset[str]) -> None:
        """One pass, unless all that brought the key here is what its last pass wrote itself, or its words wait."""
        news = causes - self._written.get(key, set())
        if not news:
            return
        wait = self._untold.get(key, 0.0) - monotonic()
        if wait > 0:
            self.queue.add_after(key, wait)  # what brought the key here may have taken the place of its planned turn
            return
        began, result = monotonic(), "done"
        try:
            if news != {REPORT} or not await self.show(key):
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

    async def once(self, key: Key) -> None:
        """One pass. Raises `kube.errors`."""
        self.recent.forget(key)
        now = self.clock()
        observed = await observe(self.api, key, self.policy, self.memory, now)
        self.seen(observed, key)
        if observed is None:
            self._written.pop(key, None)
            self._untold.pop(key, None)
            self.queue.schedule(key, None)
            self.admission.gone(key)
            return
        plan = self.admission.decided(observed, now)
        execution = Execution(self.api, observed, now)
        self._written[key] = execution.written
        try:
            await execution.act(plan)
        except Refused as error:
            execution.observed = replace(execution.observed, refusal=error.refusal)
            plan = self.admission.decided(execution.observed, now)
            await execution.act(plan)
        _note_actions(key, plan)
        if plan.actions and len(self.queue) > _BURST and key not in self._untold:
            self._untold[key] = monotonic() + _WORDS_LATER
            self.queue.schedule(key, _WORDS_LATER)
            return
        self._untold.pop(key, None)
        await execution.tell(plan)
        tally.note(key, observed.resource.status, plan.status)
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
