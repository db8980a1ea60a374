"""What a user does to one resource: suspend, resume, retry, cancel. Each returns the line that tells what was done."""

from narwhal_cli.cluster.link import Link
from narwhal_cli.cluster.names import ClusterError, Target, is_library
from narwhal_cli.cluster.rows import row_of
from narwhal_operator.contract.reasons import Reason
from narwhal_operator.core import labels
from narwhal_operator.core.observed import Json


async def suspend(link: Link, target: Target) -> str:
    """Stops the work; what is finished is kept."""
    return await _switch(link, target, on=True)


async def resume(link: Link, target: Target) -> str:
    """Lets suspended work go on."""
    return await _switch(link, target, on=False)


async def _switch(link: Link, target: Target, *, on: bool) -> str:
    found = await link.get(target)
    word = "suspended" if on else "resumed"
    row = row_of(found)
    if row.exit_code is not None:
        raise ClusterError(Reason.INVALID_ORDER, f"{target} is {row.state} already; nothing of it runs.")
    if bool(found["spec"].get("suspend")) is on:
        return f"{target} is {word} already"
    await link.patch(target, {"spec": {"suspend": on}})
    return f"{target} {word}"


async def retry(link: Link, target: Target) -> str:
    """Has a failure tried again, with all tries of backoffLimit; of a library, those of its titles that failed."""
    found = await link.get(target)
    if is_library(target):
        return await _retry_titles(link, target, found)
    await _ask_again(link, target, found)
    return f"{target} is tried again; what is finished in the store is kept"


async def _ask_again(link: Link, target: Target, found: Json) -> None:
    """The failure is named by the moment it ended: the wish holds for it once, whoever reads it and however often."""
    row = row_of(found)
    ended = (found.get("status") or {}).get("finishedAt")
    if row.state != "Failed" or not ended:
        raise ClusterError(
            Reason.INVALID_ORDER, f"{target} has not failed: it is {row.state}; nothing is to be tried again."
        )
    await link.patch(target, {"metadata": {"annotations": {labels.RETRY: ended}}})


async def _retry_titles(link: Link, target: Target, found: Json) -> str:
    query = {"labelSelector": f"{labels.UID}={found['metadata']['uid']}"}
    names: list[str] = []
    for kind in ("DownloadJob", "TranscodingJob"):
        for raw in await link.list(kind, query):
            if row_of(raw).state == "Failed":
                await _ask_again(link, Target(kind, raw["metadata"]["name"]), raw)
                names.append(f"{kind}/{raw['metadata']['name']}")
    if not names:
        raise ClusterError(Reason.INVALID_ORDER, f"no title of {target} has failed; nothing is to be tried again.")
    return f"{target}: tried again: {', '.join(names)}"


async def cancel(link: Link, target: Target) -> str:
    """Deletes work that has not ended; what it left unfinished in the store is swept, the rest is for its deletionPolicy."""
    found = await link.get(target)
    row = row_of(found)
    if row.exit_code is not None:
        message = f"{target} is {row.state} already; kubectl delete removes it."
        raise ClusterError(Reason.INVALID_ORDER, message)
    await link.delete(target, found["metadata"]["uid"])
    output = "goes with it" if found["spec"].get("deletionPolicy") == "Delete" else "stays"
    return f"{target} cancelled: deleted; what was unfinished in the store is swept, what is published {output}"
