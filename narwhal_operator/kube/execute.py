"""A plan carried out: its actions in their order, the events, and last the status in one optimistic write."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import singledispatchmethod
from typing import Final

from narwhal_operator.contract.base import API_VERSION
from narwhal_operator.core import labels
from narwhal_operator.core.observed import Json, Observed, Refusal, RefusalKind, Resource
from narwhal_operator.core.plan import (
    CreateChild,
    CreateJob,
    DeleteChild,
    DeleteJob,
    DeleteResource,
    Event,
    PatchChild,
    Plan,
    QueueJob,
    SetFinalizer,
    SuspendJob,
)
from narwhal_operator.kube.client import Api
from narwhal_operator.kube.errors import AlreadyExists, ApiError, NotFound, Refused
from narwhal_operator.kube.paths import collection, named
from narwhal_operator.render import child as children
from narwhal_operator.render import job as jobs

_OF_THE_USER: Final = CreateJob | CreateChild | PatchChild
"""Actions whose body holds what a user wrote: only of these is 422 the user's to mend."""


@dataclass(slots=True)
class Execution:
    """Plans of one pass being carried out. `observed` follows what is written to the resource; `written`
    collects all versions the pass made, by which their events are known when they come back.
    """

    api: Api
    observed: Observed
    now: datetime
    written: set[str] = field(default_factory=set)
    unsent: list[ApiError] = field(default_factory=list)  # events that could not be posted

    @property
    def _resource(self) -> Resource:
        return self.observed.resource

    async def run(self, plan: Plan) -> None:
        """Do all of it. Raises `kube.errors`; whatever was done by then is found again by the next pass."""
        await self.act(plan)
        await self.tell(plan)

    async def act(self, plan: Plan) -> None:
        """The actions, in their order."""
        refused: Refused | None = None
        for action in plan.actions:
            try:
                await self._do(action)
            except Refused as error:
                if error.refusal.kind is RefusalKind.INVALID and not isinstance(action, _OF_THE_USER):
                    raise ApiError(
                        str(error), error.code
                    ) from error  # our own patch, not the user's words: tried again
                if not isinstance(action, CreateChild | PatchChild):
                    raise
                refused = refused or error  # one title that is refused does not keep the others waiting
        if refused is not None:
            raise refused

    async def tell(self, plan: Plan) -> None:
        """The events, and the status if it is another one."""
        for event in plan.events:
            await self._post(event)
        if plan.status is not None and plan.status != self._resource.status:
            await self._write_status(plan.status)

    def _noted(self, answer: Json) -> Json:
        self.written.add(answer.get("metadata", {}).get("resourceVersion", ""))
        return answer

    async def _write_status(self, status: Json) -> None:
        key = self._resource.key
        body = {
            "apiVersion": API_VERSION,
            "kind": key.kind,
            "metadata": {"name": key.name, "namespace": key.namespace, "resourceVersion": self._resource.version},
            "status": status,
        }
        answer = self._noted(await self.api.replace(f"{named(key.kind, key.namespace, key.name)}/status", body))
        resource = replace(self._resource, status=status, version=answer["metadata"]["resourceVersion"])
        self.observed = replace(self.observed, resource=resource)

    async def _post(self, event: Event) -> None:
        """An Event is news, not state: one that cannot be posted is reported and does not undo the pass."""
        body = children.event(event, self._resource, self.now)
        try:
            await self.api.create(collection("Event", self._resource.key.namespace), body)
        except AlreadyExists:
            return
        except ApiError as error:
            self.unsent.append(error)

    @singledispatchmethod
    async def _do(self, action: object) -> None:
        raise TypeError(f"no way to do {type(action).__name__}")

    @_do.register
    async def _(self, action: CreateJob) -> None:
        namespace = self._resource.key.namespace
        manifest = jobs.job(action, self._resource, self.observed.policy)
        try:
            self._noted(await self.api.create(collection("Job", namespace), manifest))
        except AlreadyExists:
            await self._check_mine("Job", action.name)

    @_do.register
    async def _(self, action: SuspendJob) -> None:
        path = named("Job", self._resource.key.namespace, action.name)
        self._noted(await self.api.patch(path, {"spec": {"suspend": action.suspend}}))

    @_do.register
    async def _(self, action: QueueJob) -> None:
        path = named("Job", self._resource.key.namespace, action.name)
        self._noted(await self.api.patch(path, {"metadata": {"labels": {labels.QUEUE: action.queue}}}))

    @_do.register
    async def _(self, action: DeleteJob) -> None:
        await self._delete(
            "Job", action.name, {"propagationPolicy": "Foreground", "preconditions": {"uid": action.uid}}
        )

    @_do.register
    async def _(self, action: SetFinalizer) -> None:
        key = self._resource.key
        others = [name for name in self._resource.finalizers if name != labels.FINALIZER]
        names = [*others, labels.FINALIZER] if action.present else others
        body = {"metadata": {"resourceVersion": self._resource.version, "finalizers": names}}
        answer = self._noted(await self.api.patch(named(key.kind, key.namespace, key.name), body))
        version = answer["metadata"]["resourceVersion"]
        resource = replace(self._resource, finalizers=tuple(names), version=version)
        self.observed = replace(self.observed, resource=resource)

    @_do.register
    async def _(self, action: DeleteResource) -> None:
        del action  # it names nothing: the resource is that of the pass
        key = self._resource.key
        preconditions = {"uid": self._resource.uid, "resourceVersion": self._resource.version}
        await self._delete(key.kind, key.name, {"preconditions": preconditions})

    @_do.register
    async def _(self, action: CreateChild) -> None:
        manifest = children.child(action, self._resource)
        try:
            await self.api.create(collection(action.kind, self._resource.key.namespace), manifest)
        except AlreadyExists:
            await self._check_mine(action.kind, action.name)

    @_do.register
    async def _(self, action: PatchChild) -> None:
        path = named(action.kind, self._resource.key.namespace, action.name)
        await self.api.patch(path, [{"op": "replace", "path": "/spec", "value": action.spec}])

    @_do.register
    async def _(self, action: DeleteChild) -> None:
        await self._delete(action.kind, action.name, {"preconditions": {"uid": action.uid}})

    async def _delete(self, kind: str, name: str, options: Json) -> None:
        try:
            await self.api.delete(named(kind, self._resource.key.namespace, name), options)
        except NotFound:
            return  # gone is what was asked for

    async def _check_mine(self, kind: str, name: str) -> None:
        """An object of the derived name exists: the last pass made it, unless somebody else did."""
        there = await self.api.get(named(kind, self._resource.key.namespace, name))
        if (there["metadata"].get("labels") or {}).get(labels.UID) != self._resource.uid:
            message = f"{kind} {name} exists and belongs to somebody else; delete or rename it."
            raise Refused(Refusal(RefusalKind.NAME_TAKEN, message), 409)
