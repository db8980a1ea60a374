"""A download to an S3 that fails each request once: the object is whole, and no upload is left behind."""

import hashlib
import random
import uuid
from pathlib import Path

from narwhal_operator.contract.outcome import Reason
from tests.integration.download.conftest import Place
from tests.support.downloads import fetch, make_order
from tests.support.origin import File, Origin
from tests.support.seaweed import S3Server
from tests.support.unwell import unwell
from workers.download.upload import LEAST_BYTES

CONTENT = random.Random(41).randbytes(3 * LEAST_BYTES + 77)  # noqa: S311 - the same bytes in each run


async def test_a_store_that_loses_each_first_answer_is_not_noticed(
    s3: S3Server, origin: Origin, tmp_path: Path
) -> None:
    """Writes are carried out and answered by 500, the start of an upload too, reads by 503; all is repeated, nothing is left."""
    bucket = s3.bucket(f"b-{uuid.uuid4().hex[:12]}")
    with unwell(s3.endpoint) as proxy:
        store = s3.secret(endpoint=proxy.endpoint)
        ended = await fetch(make_order(origin.serve("/f", File(CONTENT)), store, bucket=bucket), tmp_path)
        assert ended.reason is Reason.COMPLETED, ended.message
        assert proxy.failed > 5
    place = Place(s3.secret(), bucket)
    assert place.leftovers() == []
    (content,) = place.objects().values()
    assert hashlib.sha256(content).digest() == hashlib.sha256(CONTENT).digest()
