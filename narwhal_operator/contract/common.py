"""What the kinds share: references, the pod template, attempts, conditions in a status."""

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from narwhal_operator.contract.base import API_VERSION, IntOrString, ObjectName, Timestamp
from narwhal_operator.contract.model import Contract, Field, model_validator
from narwhal_operator.contract.rules import Check, Rule, matches, matching

DEFAULT_STORAGE_SECRET: Final = "narwhal-storage"  # noqa: S105 - the name of a Secret, not its content
"""The Secret used where a spec names no storageRef."""


class LocalRef(Contract):
    """The name of an object in the same namespace."""

    name: ObjectName = Field(description="Name of the object; it is in the same namespace.")


class HeadersSource(Contract):
    """Where request headers come from; they never stand in the resource itself."""

    secret_ref: LocalRef = Field(description="Secret whose keys are header names and whose values are header values.")


class CaBundleSource(Contract):
    """Where an additional certificate authority comes from."""

    config_map_ref: LocalRef = Field(description="ConfigMap with PEM certificates under the key ca.crt.")


_AMOUNT_PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,9})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"

Amount = Annotated[
    int | Annotated[str, Field(max_length=32)],
    IntOrString(),
    Check(
        matching(_AMOUNT_PATTERN, "string(self)"),
        "must be a quantity as in a pod, such as 500m, 2 or 512Mi",
        lambda value: re.fullmatch(_AMOUNT_PATTERN, str(value)) is not None,
    ),
]
"""An amount of a resource as a pod has it: `500m`, `2`, `512Mi`."""

LabelValue = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        "must be a label value: letters, digits, -, _ and .; first and last a letter or digit",
    ),
]
"""The value of a Kubernetes label."""

_NOT_OURS: Final = Check(
    "self.all(key, !key.startsWith('narwhal.dev/'))",
    "must not hold labels under narwhal.dev/, which are Narwhal's own; use another prefix",
    lambda labels: not any(key.startswith("narwhal.dev/") for key in labels),
)


class Resources(Contract):
    """Requests and limits of the worker container, as in a pod."""

    requests: dict[str, Amount] | None = Field(
        None, max_length=16, description="Requests, such as cpu: 500m and memory: 512Mi."
    )
    limits: dict[str, Amount] | None = Field(
        None,
        max_length=16,
        description="Limits, such as memory: 2Gi; ephemeral-storage is the scratch volume's bound, too.",
    )


class Toleration(Contract):
    """A toleration, as in a pod."""

    key: Annotated[str, Field(max_length=316)] | None = Field(None, description="Taint key; absent matches all.")
    operator: Literal["Exists", "Equal"] | None = Field(None, description="Exists or Equal; absent means Equal.")
    value: LabelValue | None = Field(None, description="Taint value, with Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Taint effect; absent matches all."
    )
    toleration_seconds: int | None = Field(
        None, ge=0, le=31_536_000, description="Seconds a NoExecute taint is tolerated."
    )


class PodTemplate(Contract):
    """What a user may set of the worker pods; everything else of them is Narwhal's."""

    resources: Resources | None = Field(None, description="Requests and limits of the worker container.")
    node_selector: dict[str, LabelValue] | None = Field(None, max_length=32, description="Node labels the pods need.")
    tolerations: list[Toleration] | None = Field(
        None,
        max_length=32,
        description="Taints the pods tolerate; that their node is not ready or unreachable for 30 s, where nothing here says otherwise.",
    )
    priority_class_name: ObjectName | None = Field(None, description="PriorityClass of the pods.")
    labels: Annotated[dict[str, LabelValue], Field(max_length=32), _NOT_OURS] | None = Field(
        None, description="Labels added to Jobs and pods; those under narwhal.dev/ are Narwhal's own."
    )


class Suspendable(Contract):
    """The fields every job kind has, with the meaning they have in batch/v1."""

    suspend: bool = Field(False, description="true stops the work and keeps what is finished; false goes on.")
    backoff_limit: int = Field(
        6, ge=0, le=20, description="Retries before the job is Failed. Disruptions (drain, eviction) do not count."
    )
    active_deadline_seconds: int | None = Field(
        None, ge=1, le=31_536_000, description="Seconds one attempt may run before it ends with DeadlineExceeded."
    )
    ttl_seconds_after_finished: int | None = Field(
        None, ge=0, le=31_536_000, description="Seconds after Complete or Failed until this object is deleted."
    )
    priority: int = Field(
        0,
        ge=-1000,
        le=1000,
        description="Who starts first of those that wait in this namespace, where the admin limits how many run: the"
        " highest, of equals the oldest. May be changed while it waits.",
    )
    deletion_policy: Literal["Retain", "Delete"] = Field(
        "Retain",
        description="What becomes of the output when this object is deleted: Retain leaves it, Delete removes what this"
        " object made. May be changed at any time.",
    )
    template: PodTemplate | None = Field(None, description="What to set on the worker pods.")

    @property
    def deletes(self) -> bool:
        """Whether the output goes with the object."""
        return self.deletion_policy == "Delete"


def exactly_one(*names: str, of: str) -> Rule:
    """The CEL rule that exactly one of the optional fields is set."""
    count = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in names)
    return Rule(f"{count} == 1", f"set exactly one {of}: {' or '.join(names)}")


class OneOf(Contract):
    """An object of which exactly one optional field is set: the twin of its CEL rule."""

    one_of: ClassVar[str] = "field"
    exempt: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        names = [name for name in type(self).model_fields if name not in self.exempt]
        if sum(getattr(self, name) is not None for name in names) != 1:
            aliases = [type(self).model_fields[name].alias or name for name in names]
            raise ValueError(f"set exactly one {self.one_of}: {' or '.join(aliases)}")
        return self


MESSAGE_LIMIT: Final = 1024
"""Characters of a message in a status; `base.clip` cuts longer ones. With the bounds below a status fits in 64 KiB."""


class Condition(Contract):
    """A condition of a status, as metav1.Condition has it."""

    type: str = Field(max_length=64, description="Ready, Reconciling, Stalled, Complete, Failed or Suspended.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field(max_length=64, description="One word for why; `narwhal explain REASON` tells more.")
    message: str = Field("", max_length=MESSAGE_LIMIT, description="What, where and how to mend.")
    observed_generation: int | None = Field(None, ge=0, description="The generation this was decided for.")
    last_transition_time: Timestamp = Field(description="When status last changed (RFC 3339).")


Stage = Literal["Plan", "Range", "Finish"]
"""What the pods of an attempt do, where several work on it."""


class Attempt(Contract):
    """One run of a worker pod."""

    number: int = Field(ge=1, description="1 for the first.")
    job: str = Field(max_length=63, description="Name of the batch/v1 Job; of several stages the last one.")
    stage: Stage | None = Field(None, description="With parallelism over 1: what its pods do now, or did last.")
    ranges: int | None = Field(None, ge=1, le=512, description="Parts that the work was divided into.")
    pod: str | None = Field(None, max_length=128, description="Name of the pod, when known.")
    node: str | None = Field(None, max_length=253, description="Node it ran on, when known.")
    started_at: Timestamp | None = Field(None, description="When the worker started (RFC 3339).")
    finished_at: Timestamp | None = Field(None, description="When it ended (RFC 3339).")
    reason: str | None = Field(None, max_length=64, description="How it ended; absent while it runs.")
    exit_code: int | None = Field(None, description="Exit code of the worker: the number of the reason.")
    message: str | None = Field(None, max_length=MESSAGE_LIMIT, description="What, where and how to mend.")
    counted: bool | None = Field(None, description="false when it does not count against backoffLimit (a disruption).")
    memory: str | None = Field(None, max_length=16, description="Memory limit of its pod.")
    cpus: float | None = Field(None, gt=0, description="CPUs its encoder was to use, when fewer than there are.")
    evidence: str | None = Field(None, max_length=1024, description="Last lines of the program that failed.")


class Display(Contract):
    """Short texts for the columns of `kubectl get`, which cannot count or format."""

    progress: str | None = Field(None, max_length=16, description="Such as 43%.")
    rate: str | None = Field(None, max_length=16, description="Such as 48MiB/s.")
    speed: str | None = Field(None, max_length=16, description="Such as 1.9x: seconds of video a second.")
    eta: str | None = Field(None, max_length=16, description="Such as 1m12s.")
    size: str | None = Field(None, max_length=16, description="Such as 700Mi.")
    rungs: int | None = Field(None, ge=0, description="How many rungs are encoded.")


class CommonStatus(Contract):
    """What all statuses share."""

    observed_generation: int | None = Field(None, ge=0, description="The generation this status was decided for.")
    phase: str | None = Field(None, max_length=32, description="What it does now, for people; decide by conditions.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=8,
        description="Ready, Reconciling and Stalled (kstatus); Complete, Failed and Suspended (batch/v1).",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    started_at: Timestamp | None = Field(None, description="When the first attempt started (RFC 3339).")
    finished_at: Timestamp | None = Field(None, description="When it became Complete or Failed (RFC 3339).")
    display: Display | None = Field(None, description="Texts for the columns of kubectl get.")


class JobStatus(CommonStatus):
    """What the statuses of the job kinds share."""

    work_digest: str | None = Field(None, max_length=64, description="Digest of the part of the spec that is the work.")
    attempts: list[Attempt] = Field(
        default_factory=list, max_length=10, description="The last runs, oldest first; older ones are cut."
    )
    failures: int = Field(0, ge=0, description="Attempts that counted against backoffLimit.")
    retry_at: Timestamp | None = Field(None, description="When the next attempt starts (RFC 3339), while one waits.")


def resource(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A manifest of one of our kinds, as `kubectl apply` takes it."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
