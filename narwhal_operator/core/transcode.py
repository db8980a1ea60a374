"""TranscodingJob: what is its own of the decision."""

from datetime import datetime
from typing import Final, TypeAlias

from pydantic import ValidationError

from narwhal_operator.contract import conditions as c
from narwhal_operator.contract import order as o
from narwhal_operator.contract.common import Display
from narwhal_operator.contract.download import Artifact, DownloadJobSpec
from narwhal_operator.contract.files import Made, pick
from narwhal_operator.contract.order import ObjectLocation, OrderHead, TranscodeOrder
from narwhal_operator.contract.outcome import TABLE, Reason, WorkError
from narwhal_operator.contract.transcode import (
    TranscodePlan,
    TranscodeProgress,
    TranscodingJobSpec,
    TranscodingJobStatus,
)
from narwhal_operator.core import lifecycle
from narwhal_operator.core.case import Case, Rules, s3_store, secret_of
from narwhal_operator.core.observed import Json, Observed, Resource
from narwhal_operator.core.parts import merged
from narwhal_operator.core.plan import Plan
from narwhal_operator.core.summary import State, Verdict
from narwhal_operator.core.text import percent_text, span_text

_Case: TypeAlias = Case[TranscodingJobSpec, TranscodingJobStatus]
_WAIT_POLL: Final = 60.0
"""Seconds between looks at the DownloadJob, beside its events."""


def decide(observed: Observed, now: datetime) -> Plan:
    """What should be done about a TranscodingJob."""
    return lifecycle.decide(observed, now, RULES)


def _blocked(case: _Case) -> Verdict | None:
    """An input that a DownloadJob is to make must be there."""
    ref, download = case.spec.input.download_job_ref, case.observed.download
    if ref is None:
        return None
    if download is None:
        mend = TABLE[Reason.DEPENDENCY_MISSING].mend
        message = f"DownloadJob {ref.name} does not exist. {mend}"
        return Verdict(State.RECONCILING, Reason.DEPENDENCY_MISSING, message, "Waiting", requeue_after=_WAIT_POLL)
    if download.holds(c.FAILED):
        reason = (download.condition(c.FAILED) or {}).get("reason", "")
        mend = TABLE[Reason.DEPENDENCY_FAILED].mend
        message = f"DownloadJob {ref.name} has failed ({reason}). {mend}"
        return Verdict(State.FAILED, Reason.DEPENDENCY_FAILED, message, "Failed")
    if _made(download) is None:
        message = f"Waits for DownloadJob {ref.name}: {download.status.get('phase') or 'Pending'}."
        return Verdict(State.RECONCILING, c.WAITING_FOR_DOWNLOAD, message, "Waiting", requeue_after=_WAIT_POLL)
    try:
        _taken(case)
    except WorkError as error:
        return Verdict(State.FAILED, error.reason, f"DownloadJob {ref.name}: {error.message}", "Failed")
    return None


def _taken(case: _Case) -> tuple[DownloadJobSpec, Made] | None:
    """The file to take of what a DownloadJob has made, once it has. Raises WorkError(InputFileUnmatched)."""
    ref, made = case.spec.input.download_job_ref, _made(case.observed.download)
    if ref is None or made is None:
        return None
    spec, artifact = made
    return spec, pick(artifact, spec.destination.key, ref.file)


def _made(download: Resource | None) -> tuple[DownloadJobSpec, Artifact] | None:
    """What a Complete DownloadJob was to make and has made."""
    if download is None or not download.holds(c.COMPLETE):
        return None
    try:
        return DownloadJobSpec.from_wire(download.spec), Artifact.from_wire(download.status.get("artifact"))
    except ValidationError:
        return None


def _order(case: _Case, head: OrderHead) -> TranscodeOrder:
    output_secret = secret_of(case.spec.output.storage_ref, case.observed.policy)
    secret, bucket, key, sha256 = _input(case)
    mount = o.OUTPUT_STORE if secret == output_secret else o.INPUT_STORE
    return TranscodeOrder(
        head=head,
        spec=case.spec,
        input=ObjectLocation(store=s3_store(mount, secret), bucket=bucket, key=key),
        input_sha256=sha256,
        output_store=s3_store(o.OUTPUT_STORE, output_secret),
        keys=o.KEYS if case.spec.packaging.encryption is not None and head.task != "Sweep" else None,
        range_seconds=case.observed.policy.range_seconds,
    )


def _input(case: _Case) -> tuple[str, str, str, str | None]:
    """Secret, bucket, key and digest of the input. A sweep reads none: its input is named by the output."""
    policy, source = case.observed.policy, case.spec.input.s3
    if source is not None:
        return secret_of(source.storage_ref, policy), source.bucket, source.key, None
    try:
        found = _taken(case)
    except WorkError:  # of a sweep, whose DownloadJob has made something else since: it reads no input
        found = None
    if found is None:
        output = case.spec.output
        return secret_of(output.storage_ref, policy), output.bucket, output.prefix, None
    spec, file = found
    return secret_of(spec.destination.storage_ref, policy), spec.destination.bucket, file.key, file.sha256


def _facts(case: _Case, verdict: Verdict) -> Json:
    ending, before, report = case.history.ending, case.before, case.observed.report
    outcome = ending.outcome if ending is not None else case.history.passed
    opened = case.history.open
    mine = report is not None and opened is not None and report.attempt == opened.number
    plan = (outcome.plan if outcome else None) or (report.plan if report and mine else None) or before.plan
    said = report.transcode if report is not None and mine else None
    if opened is not None and opened.stage == "Range":
        reports = [one for one in case.observed.reports if one.attempt == opened.number]
        running = frozenset(int(pod.index) for pod in case.observed.pods if pod.running and pod.index is not None)
        said = merged(reports, case.job.completed if case.job is not None else 0, plan, running)
    progress = _progress(before.progress, said)
    if verdict.state is State.COMPLETE:
        progress = _whole(progress)
    result = outcome.result if outcome is not None and outcome.result is not None else before.result
    return {"plan": plan, "progress": progress, "result": result, "display": _display(progress, plan)}


def _progress(before: TranscodeProgress | None, report: TranscodeProgress | None) -> TranscodeProgress | None:
    """The report over what was known: no percentage goes back, of the whole or of a rung."""
    if report is None:
        return None if before is None else before.model_copy(update={"speed": None, "eta_seconds": None})
    if before is None:
        return report
    known = {rung.name: rung.percent for rung in before.rungs}
    rungs = [rung.model_copy(update={"percent": max(rung.percent, known.get(rung.name, 0))}) for rung in report.rungs]
    done = max(before.segments_done, report.segments_done) if report.segments_total == before.segments_total else None
    known_done = {} if done is None else {"segments_done": done}
    return report.model_copy(update={"percent": max(before.percent, report.percent), "rungs": rungs, **known_done})


def _whole(progress: TranscodeProgress | None) -> TranscodeProgress:
    known = progress or TranscodeProgress()
    total = known.segments_total
    rungs = [rung.model_copy(update={"percent": 100}) for rung in known.rungs]
    done = {"percent": 100, "segments_done": total, "rungs": rungs, "speed": None, "eta_seconds": None}
    return known.model_copy(update=done)


def _display(progress: TranscodeProgress | None, plan: TranscodePlan | None) -> Display | None:
    rungs = len(plan.rungs or plan.audio) if plan is not None else None
    if progress is None:
        return None if rungs is None else Display(rungs=rungs)
    return Display(
        progress=percent_text(progress.percent),
        speed=None if progress.speed is None else f"{progress.speed:.1f}x",
        eta=span_text(progress.eta_seconds),
        rungs=rungs,
    )


RULES: Rules[TranscodingJobSpec, TranscodingJobStatus] = Rules(
    spec=TranscodingJobSpec,
    status=TranscodingJobStatus,
    blocked=_blocked,
    order=_order,
    worker=lambda _spec, policy: policy.transcode,
    facts=_facts,
    first=lambda spec: "Plan" if spec.parallelism > 1 and spec.mode == "Encode" else None,
)
