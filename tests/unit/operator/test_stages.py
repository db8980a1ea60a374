"""A transcode by several pods: which Job follows which, and what each end of one means for the attempt."""

from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from narwhal_operator.contract import naming
from narwhal_operator.contract.outcome import TABLE, Reason
from narwhal_operator.contract.report import WorkerReport
from narwhal_operator.core import transcode
from narwhal_operator.core.observed import Json, Observed, Pod, Refusal, RefusalKind
from narwhal_operator.core.plan import CreateJob
from narwhal_operator.core.policy import Policy
from narwhal_operator.render.job import job as manifest
from tests.unit.operator import build as b
from tests.unit.operator.views import C, F, R, S, told

KIND: Final = "TranscodingJob"
SPEC: Final = b.transcode_spec(parallelism=3)
OFF: Final = SPEC | {"suspend": True}
MINE: Final = {"finalizers": ["narwhal.dev/sweep"]}
PLAN: Final[Json] = {
    "width": 1920, "height": 1080, "frameRate": "24/1", "durationSeconds": 100.0, "frames": 2400, "videoCodec": "h264",
    "segments": 50, "rungs": [{"name": "a", "width": 640, "height": 360, "codec": "h264"}],
}  # fmt: skip


def name(stage: str, attempt: int = 1) -> str:
    """The name of a stage's Job."""
    return naming.job_name("bbb", b.UID, b.digest(KIND, SPEC), attempt, stage)


def seen(
    stage: str | None, spec: Json = SPEC, pods: tuple[Pod, ...] = (), job: Json | None = None, **more: Any
) -> Observed:
    """A transcode whose first attempt is in a stage; `job` are fields of that stage's Job, None: there is none."""
    if stage is None:
        return Observed(b.resource(KIND, spec), **more)
    parts = {} if stage == "Plan" else {"ranges": 4}
    status = b.status(KIND, spec, {"number": 1, "job": name(stage), "stage": stage, **parts}, plan=PLAN)
    jobs = () if job is None else (b.job(name(stage), **job),)
    return Observed(b.resource(KIND, spec, status, **MINE), jobs=jobs, pods=pods, **more)


def ended(reason: Reason, **more: Any) -> Pod:
    """A pod that left an outcome."""
    made = {key: more.pop(key) for key in ("ranges", "result") if key in more}
    return b.ended_pod(b.outcome(KIND, SPEC, reason, **made), TABLE[reason].code, **more)


def part(index: int, reason: Reason | None = None, **more: Any) -> Pod:
    """The pod of a part, running unless a reason is given."""
    about = {"name": f"p{index}", "index": str(index)} | more
    return b.pod(running=True, **about) if reason is None else ended(reason, **about)


@dataclass(frozen=True)
class Row:
    """What is seen and what must follow."""

    seen: Observed
    actions: list[str]
    reason: str
    true: set[str]
    stage: str | None


DONE: Final = {"complete": True}
BROKEN: Final = {"failed": "FailedIndexes"}
DIVIDED: Final = ended(Reason.COMPLETED, ranges=4)
ROWS = {
    "it begins with the plan": Row(seen(None), ["finalizer on", f"create {name('Plan')}"], "Starting", R, "Plan"),
    "a plan whose Job was made before the operator died is found again": Row(
        seen(None, jobs=(b.job(name("Plan")),)), ["finalizer on"], "Starting", R, "Plan"
    ),
    "what was divided is made in parts": Row(
        seen("Plan", pods=(DIVIDED,), job=DONE), [f"create {name('Range')}"], "Progressing", R, "Range"
    ),
    "a short title was all done by the first pod": Row(
        seen("Plan", pods=(ended(Reason.COMPLETED, result=b.RESULT),), job=DONE), ["finalizer off"], "Completed", C, "Plan"
    ),
    "a plan whose pod is gone is planned anew": Row(seen("Plan", job=DONE), [], "PodLost", R, "Plan"),
    "a plan that was refused ends the attempt": Row(
        seen("Plan", pods=(ended(Reason.NO_VIDEO),), job={"failed": "PodFailurePolicy"}),
        ["finalizer off"], "NoVideo", F, "Plan",
    ),
    "parts run": Row(seen("Range", pods=(part(0), part(1)), job={"completed": 1}), [], "Progressing", R, "Range"),
    "parts without a pod are starting": Row(seen("Range", job={}), [], "Starting", R, "Range"),
    "one part that has no node yet does not hide those that run": Row(
        seen("Range", pods=(part(0), b.pod(name="p1", index="1", unschedulable="full", created_at=b.NOW)), job={}),
        [], "Progressing", R, "Range",
    ),
    "when all parts are made one pod finishes": Row(
        seen("Range", pods=(part(0, Reason.COMPLETED),), job=DONE), [f"create {name('Finish')}"], "Progressing", R, "Finish"
    ),
    "a part that fails for good fails the transcode with its reason": Row(
        seen(
            "Range",
            pods=(part(0, Reason.COMPLETED), part(1, Reason.INPUT_DAMAGED), part(2, Reason.CANCELLED)), job=BROKEN,
        ),
        ["finalizer off"], "InputDamaged", F, "Range",
    ),
    "a part that fails for now is tried again with the next attempt": Row(
        seen("Range", pods=(part(0, Reason.COMPLETED), part(1, Reason.STORE_UNREACHABLE)), job=BROKEN),
        [], "StoreUnreachable", R, "Range",
    ),
    "a part that the kernel killed for memory ends the attempt, though its Job would make it again": Row(
        seen("Range", pods=(part(0), b.ended_pod("", 137, out_of_memory=True, name="p1", index="1")), job={}),
        [], "OutOfMemory", R, "Range",
    ),
    "a part that ended well though the kernel had killed a process of it is made": Row(
        seen("Range", pods=(part(0), b.ended_pod("", 0, out_of_memory=True, name="p1", index="1")), job={"completed": 1}),
        [], "Progressing", R, "Range",
    ),
    "parts of which only those that were stopped are left are lost": Row(
        seen("Range", pods=(part(0, Reason.COMPLETED), part(2, Reason.CANCELLED)), job=BROKEN), [], "PodLost", R, "Range"
    ),
    "one part that is lost again and again is given up": Row(
        seen("Range", pods=tuple(part(1, Reason.CANCELLED, name=f"p{n}") for n in range(6)), job={}),
        [], "PodLost", R, "Range",
    ),
    "parts that are each lost once are not": Row(
        seen("Range", pods=tuple(part(n, Reason.CANCELLED) for n in range(6)), job={}), [], "Progressing", R, "Range"
    ),
    "the end completes it": Row(
        seen("Finish", pods=(ended(Reason.COMPLETED, result=b.RESULT),), job=DONE),
        ["finalizer off"], "Completed", C, "Finish",
    ),
    "an end that fails is an attempt that failed": Row(
        seen("Finish", pods=(ended(Reason.VERIFICATION_FAILED),), job={"failed": "PodFailurePolicy"}),
        [], "VerificationFailed", R, "Finish",
    ),
    "suspended between two stages the next one is made suspended": Row(
        seen("Plan", OFF, pods=(DIVIDED,), job=DONE), [f"create {name('Range')} suspended"], "Suspended", S, "Range"
    ),
    "suspended parts are stopped and kept": Row(
        seen("Range", OFF, pods=(part(0),), job={}), [f"suspend {name('Range')}"], "Suspended", S, "Range"
    ),
    "a next stage that a quota forbids is asked for again": Row(
        seen("Plan", pods=(DIVIDED,), job=DONE, refusal=Refusal(RefusalKind.FORBIDDEN, "count/jobs.batch")),
        [], "PodRefused", R, "Plan",
    ),
    "parts whose Job was deleted by hand are an attempt lost": Row(seen("Range"), [], "PodLost", R, "Range"),
}  # fmt: skip


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_decision(row: Row) -> None:
    """Each sentence of the table holds, and there is one attempt."""
    plan = transcode.decide(row.seen, b.NOW)
    assert told(plan)[:3] == (row.actions, row.reason, row.true)
    assert plan.status is not None
    assert [attempt.get("stage") for attempt in plan.status["attempts"]] == [row.stage]


def test_a_pass_that_is_repeated_makes_the_same_job() -> None:
    """The operator died after it made the Job of the parts and before it said so: the status is as it was."""
    view = seen("Plan", pods=(DIVIDED,), job=DONE)
    first = transcode.decide(view, b.NOW)
    again = transcode.decide(replace(view, jobs=(*view.jobs, b.job(name("Range")))), b.NOW)
    assert first.status == again.status
    assert [action for action in again.actions if isinstance(action, CreateJob)] == []


def created(view: Observed) -> tuple[CreateJob, Json]:
    """The Job that is made, and its manifest."""
    create = next(action for action in transcode.decide(view, b.NOW).actions if isinstance(action, CreateJob))
    return create, manifest(create, view.resource, Policy())


def test_the_job_of_the_parts() -> None:
    """Indexed, so many pods at once, a part tried again; what no other pod mends ends the attempt at once."""
    create, made = created(seen("Plan", pods=(DIVIDED,), job=DONE))
    spec = made["spec"]
    assert create.order.head.task == "Range"
    shape = {key: spec[key] for key in ("completionMode", "completions", "parallelism", "podReplacementPolicy")}
    assert shape == {"completionMode": "Indexed", "completions": 4, "parallelism": 3, "podReplacementPolicy": "Failed"}
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"], "backoffLimit" in spec) == (2, 0, False)
    ignored, stopped, final = spec["podFailurePolicy"]["rules"]
    assert ignored["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert (stopped["action"], stopped["onExitCodes"]["values"]) == ("Ignore", [10])
    assert (final["action"], final["onExitCodes"]["operator"]) == ("FailIndex", "In")
    codes = final["onExitCodes"]["values"]
    assert codes == sorted(set(codes))
    hopeless = {Reason.INPUT_DAMAGED, Reason.OUT_OF_MEMORY, Reason.PLAN_LOST, Reason.STORE_ACCESS_DENIED}
    passing = {Reason.STORE_UNREACHABLE, Reason.ENCODER_FAILED, Reason.NO_PROGRESS, Reason.CANCELLED}
    assert {TABLE[reason].code for reason in hopeless} <= set(codes)
    assert not {TABLE[reason].code for reason in passing} & set(codes)
    assert spec["template"]["spec"]["containers"][0]["args"][-2:] == ["--index", "$(JOB_COMPLETION_INDEX)"]


@pytest.mark.parametrize(("stage", "task"), [(None, "Plan"), ("Range", "Finish")])
def test_the_other_jobs_are_of_one_pod(stage: str | None, task: str) -> None:
    """As that of a transcode by one pod."""
    create, made = created(seen(stage, pods=(), job=None if stage is None else DONE))
    assert create.order.head.task == task
    assert (made["spec"]["completions"], made["spec"]["backoffLimit"]) == (1, 0)
    assert "--index" not in made["spec"]["template"]["spec"]["containers"][0]["args"]


def test_names_fit_into_host_names_of_pods() -> None:
    """The Job controller adds a dash and the index."""
    long = naming.job_name("x" * 200, b.UID, "w", 20, "Range")
    assert len(f"{long}-512") <= 63
    assert long.endswith("-20-range")


def test_one_pod_and_mode_plan_have_no_stages() -> None:
    """Nothing is divided that one pod does."""
    for spec in (b.transcode_spec(parallelism=1), b.transcode_spec(parallelism=4, mode="Plan")):
        create, _ = created(Observed(b.resource(KIND, spec)))
        assert create.order.head.task == "Run"


def report(index: int, done: int, total: int, speed: float | None = 1.0, **more: Any) -> WorkerReport:
    """What the pod of a part says."""
    audio = index == 0
    rung = {"name": "audio/main" if audio else "a", "percent": 100 * done // total, "segmentsDone": done}
    before = {"percent": 38, "segmentsDone": 20, "segmentsTotal": 100} | {
        "rungs": [{"name": "a", "percent": 40, "segmentsDone": 20}, {"name": "audio/main", "percent": 0}]
    }
    made = {
        "kind": KIND, "uid": b.UID, "attempt": 1, "phase": "Encoding",
        "transcode": {"percent": 1, "segmentsDone": done, "segmentsTotal": total, "rungs": [rung], "speed": speed},
        "part": {"index": index, "ranges": 4, "before": before},
    }  # fmt: skip
    return WorkerReport.from_wire(made | more)


def progress(*reports: WorkerReport, before: Json | None = None, completed: int = 0, running: int = 2) -> Json:
    """The progress in the status."""
    pods = tuple(part(index) for index in range(running))
    view = seen("Range", pods=pods, job={"completed": completed}, reports=reports)
    if before:
        resource = replace(view.resource, status=view.resource.status | {"progress": before})
        view = replace(view, resource=resource)
    status = transcode.decide(view, b.NOW).status
    assert status is not None
    found: Json = status.get("progress", {})
    return found


def test_parts_add_up() -> None:
    """Segments and speeds of all pods, over what was stored when the work was divided; what remains at that speed."""
    found = progress(report(0, 25, 50), report(1, 5, 10), report(2, 10, 10))
    assert (found["segmentsDone"], found["segmentsTotal"], found["percent"], found["speed"]) == (60, 100, 57, 2.0)
    assert found["etaSeconds"] == 20
    assert [(rung["name"], rung["percent"], rung["segmentsDone"]) for rung in found["rungs"]] == [
        ("a", 70, 35),
        ("audio/main", 50, 25),
    ]


def test_what_a_pod_said_of_its_speed_ends_with_it() -> None:
    """Its segments stay; how fast it was says nothing of how fast it goes."""
    found = progress(report(0, 25, 50), report(1, 5, 10), running=1)
    assert (found["segmentsDone"], found["speed"]) == (50, 1.0)


def test_a_part_that_ended_unheard_counts() -> None:
    """A new operator knows of it by the Job only; progress never goes back."""
    assert progress(report(1, 5, 10), completed=1)["segmentsDone"] == 45
    held = {"percent": 90, "segmentsDone": 95, "segmentsTotal": 100, "rungs": []}
    found = progress(report(1, 5, 10), before=held)
    assert (found["percent"], found["segmentsDone"]) == (90, 95)
    assert progress(before=held)["percent"] == 90
    assert progress(report(1, 5, 10, attempt=2)) == {}
