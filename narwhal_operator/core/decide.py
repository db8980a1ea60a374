"""The decision of each kind, by its name."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from narwhal_operator.contract.download import KIND as DOWNLOAD
from narwhal_operator.contract.library import KIND as LIBRARY
from narwhal_operator.contract.transcode import KIND as TRANSCODE
from narwhal_operator.core import download, library, transcode
from narwhal_operator.core.observed import Observed
from narwhal_operator.core.plan import Plan

Decide = Callable[[Observed, datetime], Plan]
DECIDE: Final[Mapping[str, Decide]] = {
    DOWNLOAD: download.decide,
    TRANSCODE: transcode.decide,
    LIBRARY: library.decide,
}
