"""The digest the content must have, when a checksum file lists it."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from narwhal_operator.contract.download import Checksum
from narwhal_operator.contract.outcome import Reason, WorkError
from workers.download.client import Client, parsed_url, read_small, shown
from workers.download.digest import FILE_LIMIT, Wanted, given, listed, names_of
from workers.download.retry import insist
from workers.download.rules import status_error

GONE: Final = frozenset({404, 410})


async def wanted_digest(client: Client, checksum: Checksum | None, urls: Sequence[str], key: str) -> Wanted | None:
    """The digest of the spec, or of the checksum file it names; None when the spec has none. Raises WorkError."""
    if checksum is None or checksum.url is None:
        return given(checksum)
    origins = {parsed_url(url).origin() for url in urls}
    read = partial(_read, client, checksum.url, authorized=parsed_url(checksum.url).origin() in origins)
    return listed(await insist(read), names_of(urls, key), shown(checksum.url))


async def _read(client: Client, url: str, *, authorized: bool) -> str:
    async with client.request(url, authorized=authorized) as answer:
        if answer.status in GONE:
            raise WorkError(
                Reason.CHECKSUM_NOT_FOUND,
                f"The checksum file {answer.where} does not exist; correct spec.checksum.url.",
            )
        if answer.status != 200:
            raise status_error(answer.where, answer.status, answer.headers)
        return (await read_small(answer, FILE_LIMIT)).decode("utf-8", "replace")
