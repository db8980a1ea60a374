"""The API server, asked in JSON. One small protocol; the official client underneath does login, TLS and token renewal.

Models of the official client are not used: making and reading them costs more than the request (ecosystem.md 2.1).
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client as aio
from kubernetes.aio import config as aio_config

from narwhal_operator.kube.errors import Transient, error_of

Json = dict[str, Any]
TIMEOUT: Final = 30.0
"""Seconds for one request; the API server's own limit is 60."""
LIST_LIMIT: Final = 500
"""Objects in one answer of a list."""
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
_AGENT: Final = "narwhal-operator"
_WHOLE: Final = "application/json"
_HEAD: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
"""Of what is written only the metadata comes back: the resourceVersion is all that is read of it."""


class Api(Protocol):
    """What the operator asks of the API server. `kube.fake` is its twin in memory. Raises `kube.errors`."""

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """One object, or one page of a list."""
        ...

    async def create(self, path: str, body: Json) -> Json:
        """A new object in a collection; of the answer only `metadata` is sure."""
        ...

    async def replace(self, path: str, body: Json) -> Json:
        """The object as a whole; its resourceVersion must be the current one. Answered as `create` is."""
        ...

    async def patch(self, path: str, body: Json | list[Json]) -> Json:
        """Some fields of an object: a dict is a merge patch, a list a JSON patch. Answered as `create` is."""
        ...

    async def delete(self, path: str, body: Json) -> None:
        """Delete an object with these DeleteOptions."""
        ...


class Client:
    """The API server over HTTP."""

    def __init__(self, configuration: aio.Configuration) -> None:
        self._api = aio.ApiClient(configuration)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]  # the official client ships no types here

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """One object, or one page of a list."""
        return await self._request("GET", f"{path}?{urlencode(query)}" if query else path)

    async def create(self, path: str, body: Json) -> Json:
        """A new object in a collection."""
        return await self._request("POST", path, body)

    async def replace(self, path: str, body: Json) -> Json:
        """The object as a whole."""
        return await self._request("PUT", path, body)

    async def patch(self, path: str, body: Json | list[Json]) -> Json:
        """Some fields of an object."""
        return await self._request("PATCH", path, body, MERGE_PATCH if isinstance(body, dict) else JSON_PATCH)

    async def delete(self, path: str, body: Json) -> None:
        """Delete an object."""
        await self._request("DELETE", path, body)

    async def _request(
        self, method: str, path: str, body: Json | list[Json] | None = None, content: str = "application/json"
    ) -> Json:
        accept = _WHOLE if method == "GET" else _HEAD
        headers = {"Content-Type": content, "Accept": accept, "User-Agent": _AGENT}
        try:
            await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = f"{self._api.configuration.host}{path}"
            limit = aiohttp.ClientTimeout(total=TIMEOUT)
            request = self._api.rest_client.request  # below its models, which cost more than the request
            answer = await request(method, url, headers=headers, body=body, _request_timeout=limit)  # type: ignore[no-untyped-call]  # as above
            data = await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Transient(f"{method} {path}: {type(error).__name__}: {error}") from error
        parsed = json_of(data)
        if answer.status >= 300:
            raise error_of(answer.status, parsed, answer.getheader("Retry-After"))
        return parsed


def json_of(data: bytes) -> Json:
    """An answer of the API server; empty where it is no JSON object, as of a proxy in between."""
    try:
        parsed = json.loads(data)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


async def configuration(connections: int, kubeconfig: str | None = None) -> aio.Configuration:
    """How to reach and log in to the API server: the pod's service account, else a kubeconfig (by default KUBECONFIG's)."""
    made = aio.Configuration()
    try:
        aio_config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]  # as above
    except aio_config.ConfigException:
        await aio_config.load_kube_config(config_file=kubeconfig, client_configuration=made)  # type: ignore[no-untyped-call]  # as above
    made.connection_pool_maxsize = connections
    # Without it aiohttp reads ~/.netrc for every request, in a thread, and would send what it finds.
    made.client_session_kwargs = {"trust_env": False}
    return made


async def each(api: Api, path: str, query: Mapping[str, str]) -> AsyncIterator[Json]:
    """The objects of a list. No more than a page of them is held: ten thousand ended resources are 300 MB of Python."""
    token = ""
    while True:
        page = await api.get(path, {**query, "limit": str(LIST_LIMIT), **({"continue": token} if token else {})})
        kind = str(page.get("kind", "")).removesuffix("List")
        items = page.pop("items", [])
        items.reverse()
        while items:
            yield {"kind": kind} | items.pop()
        token = page.get("metadata", {}).get("continue", "")
        if not token:
            return


async def pages(api: Api, path: str, query: Mapping[str, str]) -> list[Json]:
    """All objects of a list that is known to be short."""
    return [found async for found in each(api, path, query)]
