"""The last words of a program that failed, as an object of the store: more than a status has room for, and for some days.

They are Narwhal's own (`.narwhal/evidence/UID/WORK-ATTEMPT.txt`), outside of any version: an attempt may fail before there is
one. Who removes them: each attempt that fails or publishes and each sweep, of any TranscodingJob with an output in that bucket, those past
their time; the sweep of a resource that takes its output with it, all of its own.
"""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from narwhal_operator.contract.base import clip
from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.order import OrderHead, TranscodeOrder
from narwhal_operator.contract.outcome import WorkError
from workers.common.log import log
from workers.common.store import PRIVATE, ObjectInfo, ObjectStore
from workers.transcode import limits

HOME: Final = f"{PRIVATE}/evidence/"
KEPT: Final = timedelta(days=7)
MOST: Final = 20
"""Of one resource; the oldest go."""
LOOKED_AT: Final = 5000
"""Objects of all resources that are looked at for those past their time."""
MESSAGE: Final = 1024
_LOGIN: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@'\"]*@")
_QUERY: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?'\"]*)\?[^\s'\"]*")


def home_of(uid: str) -> str:
    """The prefix of all that is kept of a resource; a digest, for a UID is whatever an order says."""
    return f"{HOME}{digest_of(uid)}/"


def key_of(head: OrderHead, index: int | None) -> str:
    """The key of the words of an attempt; of several pods each has its own."""
    part = "" if index is None else f"-part-{index}"
    return f"{home_of(head.uid)}{digest_of(head.work_digest, 8)}-{head.attempt:03d}-{head.task.lower()}{part}.txt"


def cleaned(words: str) -> str:
    """Words without logins and queries of URLs, and without what a terminal would act on."""
    plain = "".join(letter if letter.isprintable() or letter in "\n\t" else " " for letter in words)
    return _QUERY.sub(r"\1?…", _LOGIN.sub(r"\1…@", plain))


async def kept(store: ObjectStore, order: TranscodeOrder, index: int | None, error: WorkError) -> WorkError:
    """The error, its message with the place where the program's words are, where it has some. Never raises: they are an aid."""
    if not error.evidence:
        return error
    bucket, key, head = order.spec.output.bucket, key_of(order.head, index), order.head
    about = f"TranscodingJob {head.namespace}/{head.name}, attempt {head.attempt}, {error.reason.value}\n{error.message}\n\n"
    text = about + cleaned(error.evidence[-limits.STDERR_TAIL :])
    try:
        await asyncio.to_thread(store.put, bucket, key, text.encode(), content_type="text/plain; charset=utf-8")
        await asyncio.to_thread(tidy, store, bucket, head.uid, datetime.now(UTC))
    except WorkError as second:
        log("warning", "the evidence was not stored", reason=second.reason.value, message=second.message)
        return error
    where = f" FFmpeg's words: {bucket}/{key}"
    return WorkError(error.reason, clip(error.message, MESSAGE - len(where)) + where, evidence=error.evidence)


def tidy(store: ObjectStore, bucket: str, uid: str, now: datetime) -> None:
    """Removes what is past its time, of whomever, and of this resource what is too much."""
    found = [info for _, info in zip(range(LOOKED_AT), store.list(bucket, HOME), strict=False)]
    mine = sorted((info for info in found if info.key.startswith(home_of(uid))), key=_age, reverse=True)
    gone = {info.key for info in found if now - _age(info) > KEPT} | {info.key for info in mine[MOST:]}
    if gone:
        store.delete(bucket, sorted(gone))


def _age(info: ObjectInfo) -> datetime:
    return info.last_modified or datetime.min.replace(tzinfo=UTC)


def remove(store: ObjectStore, bucket: str, uid: str) -> int:
    """Removes all that is kept of a resource; how many objects."""
    keys = [info.key for info in store.list(bucket, home_of(uid))]
    if keys:
        store.delete(bucket, keys)
    return len(keys)
