"""Kueue's own controller and webhooks decide when work runs: `make kueue`. The test plays admin, user and kubelet."""

from tests.kueue.queues import LABEL, TCJ, Queues
from tests.support.processes import until

SECONDS = 60.0


def test_with_quota_for_one_the_second_waits_and_says_so_and_then_runs(queues: Queues) -> None:
    """Each Job is made suspended with the label; Kueue, and nobody else, lets it run, one after the other."""
    queues.add("films", cpu="1")
    queues.apply("first", "films")
    pod = queues.runs("first")
    queues.ready("first", "Progressing")
    queues.apply("second", "films")
    waits = queues.ready("second", "QueuedByKueue")
    assert (waits["status"]["phase"], waits["status"].get("startedAt")) == ("Queued", None)
    assert "it waits in LocalQueue films" in waits["status"]["conditions"][-1]["message"]
    job = queues.job("second")
    assert job is not None
    assert (job["spec"]["suspend"], job["metadata"]["labels"][LABEL]) == (True, "films")
    queues.ends(pod)
    assert queues.ready("first", "Completed")["status"]["phase"] == "Complete"
    queues.ends(queues.runs("second"))
    assert len(queues.ready("second", "Completed")["status"]["attempts"]) == 1


def test_what_kueue_stops_for_others_goes_on_as_the_same_attempt(queues: Queues) -> None:
    """Preemption is no failure: it is told of, nothing is counted, and the next pod has the same order."""
    queues.add("films", cpu="1")
    urgent = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "urgent"}}
    queues.plane.ask("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", urgent | {"value": 1000})
    queues.apply("usual", "films")
    queues.runs("usual")
    queues.ready("usual", "Progressing")
    queues.apply("urgent", "films", template={"priorityClassName": "urgent"})
    pod = queues.runs("urgent")
    stopped = queues.ready("usual", "QueuedByKueue")
    assert "Kueue has stopped it for others" in stopped["status"]["conditions"][-1]["message"]
    queues.ends(pod)
    queues.ready("urgent", "Completed")
    queues.ends(queues.runs("usual"))
    done = queues.ready("usual", "Completed")["status"]
    assert (len(done["attempts"]), done["failures"]) == (1, 0)


def test_a_default_queue_takes_jobs_without_a_label_and_is_not_fought(queues: Queues) -> None:
    """A LocalQueue named default: Kueue's webhook labels and suspends the Job, which then waits like the others."""
    queues.add("default", cpu="1")
    queues.apply("first", None)
    pod = queues.runs("first")
    queues.apply("second", None)
    queues.ready("second", "QueuedByKueue")
    job = queues.job("second")
    assert job is not None
    assert (job["spec"]["suspend"], job["metadata"]["labels"][LABEL]) == (True, "default")
    queues.ends(pod)
    queues.ends(queues.runs("second"))
    queues.ready("second", "Completed")


def test_who_waits_may_change_queues_and_who_is_suspended_leaves_his_place(queues: Queues) -> None:
    """A new label moves the Job that waits; a resource that its user suspends has no Job, and the next in line runs."""
    for name in ("full", "free"):
        queues.add(name, cpu="1")
    queues.apply("first", "full")
    queues.runs("first")
    for name in ("second", "third"):
        queues.apply(name, "full")
        queues.ready(name, "QueuedByKueue")
    queues.plane.patch(TCJ, queues.namespace, "second", {"metadata": {"labels": {LABEL: "free"}}})
    assert queues.admitted("second")["metadata"]["labels"][LABEL] == "free"
    queues.plane.patch(TCJ, queues.namespace, "first", {"spec": {"suspend": True}})
    queues.ready("first", "Suspended")
    until(lambda: queues.job("first") is None, SECONDS, "the Job of a suspended resource goes")
    queues.admitted("third")
    queues.plane.patch(TCJ, queues.namespace, "first", {"spec": {"suspend": False}})
    queues.ready("first", "QueuedByKueue")
