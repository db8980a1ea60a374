"""The cluster a command is about: the user's kubeconfig, asked with the operator's own client."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
from kubernetes.aio import client as aio
from kubernetes.aio import config as aio_config
from kubernetes.aio.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION

from narwhal_cli.cluster.names import ClusterError, Target, not_found
from narwhal_operator.contract.reasons import Reason
from narwhal_operator.core.observed import Json
from narwhal_operator.kube.client import Client, json_of, pages
from narwhal_operator.kube.errors import ApiError, NotFound, Refused, Throttled, Transient, error_of
from narwhal_operator.kube.paths import collection, named

Answer = TypeVar("Answer")

TRIES: Final = 4
"""Of a request that the API server was too busy for, or that broke off."""
_PAUSE: Final = 0.5
"""Seconds after the first of them; doubled each time."""
_CONNECT: Final = 10.0
"""Seconds."""
_OF_POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Where:
    """What the command line says of the place."""

    context: str | None = None
    namespace: str | None = None  # None: that of the context
    everywhere: bool = False


class Streams(Client):
    """The operator's client, and what it has no use for: an answer that comes piece by piece."""

    async def stream(self, path: str, idle: float, write: Callable[[bytes], None]) -> None:
        """Hands over the body of a GET as it comes; ends where `idle` seconds bring nothing. Raises `kube.errors`."""
        headers: dict[str, str] = {}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        url = f"{self._api.configuration.host}{path}"
        limit = aiohttp.ClientTimeout(total=None, connect=_CONNECT, sock_read=idle)
        try:
            answer = await self._api.rest_client.request("GET", url, headers=headers, _request_timeout=limit)  # type: ignore[no-untyped-call]  # the official client ships no types here
            if answer.status >= 300:
                raise error_of(answer.status, json_of(await answer.read()), answer.getheader("Retry-After"))
            async for piece in answer.response.content.iter_any():
                write(piece)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Transient(f"GET {path}: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Link:
    """A cluster and the namespace a command is about. Raises ClusterError."""

    api: Streams
    namespace: str
    everywhere: bool = False

    async def get(self, target: Target) -> Json:
        """One resource of ours."""
        try:
            found: Json = await self.ask(lambda: self.api.get(self.path(target)))
        except ClusterError as error:
            if error.reason is not Reason.RESOURCE_NOT_FOUND:
                raise
            there = [item["metadata"]["name"] for item in await self.list(target.kind, {})]
            raise not_found(target, self.namespace, there) from None
        return {"kind": target.kind} | found

    async def list(self, kind: str, query: dict[str, str]) -> list[Json]:
        """All of a kind, in the namespace or in all."""
        path = collection(kind, None if self.everywhere else self.namespace)
        return [item | {"kind": kind} for item in await self.ask(lambda: pages(self.api, path, query))]

    async def patch(self, target: Target, change: Json) -> None:
        """A merge patch."""
        await self.ask(lambda: self.api.patch(self.path(target), change))

    async def delete(self, target: Target, uid: str) -> None:
        """Deletion of the very object that was looked at."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self.ask(lambda: self.api.delete(self.path(target), options))

    async def stream(self, path: str, idle: float, write: Callable[[bytes], None]) -> None:
        """An answer piece by piece, once: what was written is not written again."""
        try:
            await self.api.stream(path, idle, write)
        except ApiError as error:
            raise _error(error, self.namespace) from None

    def path(self, target: Target) -> str:
        """Where a resource is in the API."""
        return named(target.kind, self.namespace, target.name)

    async def ask(self, request: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer of a request, asked again where that may help."""
        for number in range(TRIES):
            try:
                return await request()
            except (Throttled, Transient) as error:
                if number == TRIES - 1 or getattr(error, "code", 0) == 401:
                    raise _error(error, self.namespace) from None
                await asyncio.sleep(getattr(error, "retry_after", _PAUSE * 2**number))
            except ApiError as error:
                raise _error(error, self.namespace) from None
        raise AssertionError("the last try returns or raises")


def _error(error: ApiError, namespace: str) -> ClusterError:
    if isinstance(error, NotFound):
        return ClusterError(Reason.RESOURCE_NOT_FOUND, f"namespace {namespace}: {error}.")
    if error.code in {401, 403}:
        return ClusterError(Reason.CLUSTER_ACCESS_DENIED, f"the API server refuses: {error}.")
    if isinstance(error, Refused):
        return ClusterError(Reason.INVALID_ORDER, f"the API server refuses: {error}.")
    return ClusterError(Reason.CLUSTER_UNREACHABLE, f"{error}.")


@asynccontextmanager
async def linked(where: Where) -> AsyncIterator[Link]:
    """The cluster, while the block runs. Raises ClusterError."""
    made = aio.Configuration()
    namespace = await _configure(made, where.context)
    made.client_session_kwargs = {"trust_env": False}
    api = Streams(made)
    try:
        yield Link(api, where.namespace or namespace or "default", where.everywhere)
    finally:
        await api.close()


async def _configure(made: aio.Configuration, context: str | None) -> str | None:
    """Logs in by the kubeconfig, or where there is none by the pod's service account; its namespace, if it names one."""
    try:
        if context is None and not _has_kubeconfig():
            aio_config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]  # ships no types
            return _pod_namespace()
        await aio_config.load_kube_config(context=context, client_configuration=made)  # type: ignore[no-untyped-call]  # as above
        contexts, active = aio_config.list_kube_config_contexts()  # type: ignore[no-untyped-call]  # as above
    except (aio_config.ConfigException, OSError, ValueError) as error:
        message = f"the kubeconfig ({KUBE_CONFIG_DEFAULT_LOCATION}) is of no use: {error}".rstrip(".")
        raise ClusterError(Reason.CLUSTER_UNREACHABLE, f"{message}.") from None
    chosen: Json = next((one for one in contexts if one["name"] == context), {}) if context else active
    namespace = (chosen.get("context") or {}).get("namespace")
    return str(namespace) if namespace else None


def _has_kubeconfig() -> bool:
    return any(Path(name).expanduser().is_file() for name in str(KUBE_CONFIG_DEFAULT_LOCATION).split(os.pathsep))


def _pod_namespace() -> str | None:
    return _OF_POD.read_text() if _OF_POD.is_file() else None
