"""DownloadJob: what is its own of the decision."""

from datetime import datetime
from typing import TypeAlias

from narwhal_operator.contract import order as o
from narwhal_operator.contract.common import Display
from narwhal_operator.contract.download import (
    Artifact,
    DownloadJobSpec,
    DownloadJobStatus,
    DownloadProgress,
    MirrorFacts,
)
from narwhal_operator.contract.order import DownloadOrder, ObjectLocation, OrderHead
from narwhal_operator.core import lifecycle
from narwhal_operator.core.case import Case, Rules, s3_store, secret_of
from narwhal_operator.core.observed import Json, Observed
from narwhal_operator.core.plan import Plan
from narwhal_operator.core.summary import State, Verdict
from narwhal_operator.core.text import percent_text, rate_text, size_text, span_text

_Case: TypeAlias = Case[DownloadJobSpec, DownloadJobStatus]


def decide(observed: Observed, now: datetime) -> Plan:
    """What should be done about a DownloadJob."""
    return lifecycle.decide(observed, now, RULES)


def _order(case: _Case, head: OrderHead) -> DownloadOrder:
    destination, policy = case.spec.destination, case.observed.policy
    http, admin = case.spec.source.http, policy.sources
    store = s3_store(o.OUTPUT_STORE, secret_of(destination.storage_ref, policy))
    return DownloadOrder(
        head=head,
        spec=case.spec,
        destination=ObjectLocation(store=store, bucket=destination.bucket, key=destination.key),
        headers=o.HEADERS if http is not None and http.headers_from is not None else None,
        ca_bundle=o.CA_BUNDLE if http is not None and http.ca_bundle_from is not None else None,
        allowed_networks=list(admin.allowed_networks),
        allowed_hosts=list(admin.allowed_hosts),
        connections_per_host=admin.connections_per_host,
        proxy=admin.proxy,
        peer_discovery=admin.peer_discovery,
        torrent_file=_torrent_file(case, store.secret),
    )


def _torrent_file(case: _Case, output_secret: str) -> ObjectLocation | None:
    """Where the .torrent file is, when it is an object."""
    torrent = case.spec.source.torrent
    if torrent is None or torrent.object is None:
        return None
    found = torrent.object
    secret = secret_of(found.storage_ref, case.observed.policy)
    mount = o.OUTPUT_STORE if secret == output_secret else o.SOURCE_STORE
    return ObjectLocation(store=s3_store(mount, secret), bucket=found.bucket, key=found.key)


def _facts(case: _Case, verdict: Verdict) -> Json:
    ending = case.history.ending
    artifact = ending.outcome.artifact if ending is not None and ending.outcome is not None else case.before.artifact
    told = ending.outcome.download if ending is not None and ending.outcome is not None else None
    progress = _progress(case, told, artifact if verdict.state is State.COMPLETE else None)
    return {"artifact": artifact, "progress": progress, "display": _display(progress, artifact)}


def _progress(case: _Case, told: DownloadProgress | None, artifact: Artifact | None) -> DownloadProgress | None:
    """The report of the open attempt, or what one that ended has told, over what was known: percent never goes back."""
    before, report, opened = case.before.progress, case.observed.report, case.history.open
    if artifact is not None:
        return _whole(told or before, artifact)
    if opened is not None and report is not None and report.attempt == opened.number and report.download is not None:
        return _onward(before, report.download)
    if told is not None:
        return _at_rest(_onward(before, told))
    return None if before is None else _at_rest(before)


def _onward(before: DownloadProgress | None, after: DownloadProgress) -> DownloadProgress:
    percents = [item.percent for item in (before, after) if item is not None and item.percent is not None]
    return after.model_copy(update={"percent": max(percents, default=None)})


def _whole(before: DownloadProgress | None, artifact: Artifact) -> DownloadProgress:
    """All of it; what was fetched twice and what each mirror gave stay to be read."""
    size = sum(file.size for file in artifact.files) if artifact.files else artifact.size
    if before is not None and artifact.file_count != len(artifact.files or ()):
        size = max(size, before.bytes_total or 0)  # the list of files is cut, the report was not
    done = DownloadProgress(percent=100, bytes_done=size, bytes_total=size)
    if before is None:
        return done
    return done.model_copy(update={"bytes_refetched": before.bytes_refetched, "mirrors": _rested(before.mirrors)})


def _at_rest(progress: DownloadProgress) -> DownloadProgress:
    """What stays true of a progress when nothing runs: no rate, no connection, no peer."""
    gone = dict.fromkeys(("bytes_per_second", "eta_seconds", "connections", "mirror", "peers", "availability"))
    return progress.model_copy(update={**gone, "mirrors": _rested(progress.mirrors)})


def _rested(mirrors: list[MirrorFacts] | None) -> list[MirrorFacts] | None:
    """The mirrors, of which none sends any more."""
    if mirrors is None:
        return None
    states = {"Active": "Standby"}
    return [
        mirror.model_copy(update={"bytes_per_second": None, "state": states.get(mirror.state, mirror.state)})
        for mirror in mirrors
    ]


def _display(progress: DownloadProgress | None, artifact: Artifact | None) -> Display | None:
    if progress is None:
        return None
    return Display(
        progress=percent_text(progress.percent),
        rate=rate_text(progress.bytes_per_second),
        eta=span_text(progress.eta_seconds),
        size=size_text(progress.bytes_total if progress.bytes_total is not None or artifact is None else artifact.size),
    )


RULES: Rules[DownloadJobSpec, DownloadJobStatus] = Rules(
    spec=DownloadJobSpec,
    status=DownloadJobStatus,
    blocked=lambda _case: None,
    order=_order,
    worker=lambda spec, policy: policy.download if spec.source.torrent is None else policy.torrent,
    facts=_facts,
)
