"""Names to addresses under the address policy: all answers are judged, and what is judged is what is dialled."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from workers.download.netguard import Policy, parse

LOOKUP_SECONDS: Final = 20.0

AddressInfo = tuple[Any, ...]
Lookup = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]


class ForbiddenConnectionError(OSError):
    """A socket to an address that was not allowed; reached only if the judging before it has a hole."""


async def lookup(host: str, port: int) -> Sequence[AddressInfo]:
    """What the system resolver says. Raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer in time") from None


class JudgingResolver(AbstractResolver):
    """The resolver of the HTTP client: a name any of whose addresses is not allowed is not connected to at all."""

    def __init__(self, policy: Policy, look: Lookup = lookup) -> None:
        self._policy = policy
        self._look = look

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of the host. Raises OSError, and WorkError(AddressForbidden)."""
        found = await self._look(host, port)
        self._policy.check(host, [str(item[4][0]) for item in found])
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
            if family in {socket.AF_UNSPEC, kind}
        ]

    async def close(self) -> None:
        """Nothing is held."""


def open_socket(policy: Policy, info: AddressInfo) -> socket.socket:
    """A socket for an address: the last door, which also literal addresses and future callers pass."""
    kind, style, protocol, _, where = info
    address = parse(str(where[0]))
    if address is None or not policy.allows(address):
        raise ForbiddenConnectionError(str(where[0]))
    return socket.socket(kind, style, protocol)
