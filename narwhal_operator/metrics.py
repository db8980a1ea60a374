"""Metrics of the operator. Labels are bounded: kinds, reasons and results are closed lists."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

PASS_SECONDS: Final = Histogram(
    "narwhal_reconcile_seconds",
    "Duration of a pass: observe, decide, execute.",
    ("kind", "result"),
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
ATTEMPTS: Final = Counter(
    "narwhal_attempts_total",
    "Attempts that ended, by the reason they ended with and its class.",
    ("kind", "reason", "class"),
    registry=REGISTRY,
)
FINISHED: Final = Counter(
    "narwhal_finished_total",
    "Resources that became Complete or Failed, by reason.",
    ("kind", "reason"),
    registry=REGISTRY,
)
DOWNLOADED: Final = Counter(
    "narwhal_downloaded_bytes_total", "Bytes of the objects that downloads have made.", registry=REGISTRY
)
REFETCHED: Final = Counter(
    "narwhal_refetched_bytes_total",
    "Bytes that downloads which became Complete had to fetch more than once, in their last attempt.",
    registry=REGISTRY,
)
JOBS_CREATED: Final = Counter("narwhal_jobs_created_total", "Jobs created.", ("kind",), registry=REGISTRY)
LEADING: Final = Gauge("narwhal_leading", "1 while this operator acts, 0 while it waits.", registry=REGISTRY)
QUEUE_DEPTH: Final = Gauge("narwhal_queue_depth", "Resources that wait for a pass.", registry=REGISTRY)
RUNNING: Final = Gauge(
    "narwhal_running_resources", "Resources that have a place, where there are limits.", registry=REGISTRY
)
WAITING: Final = Gauge(
    "narwhal_waiting_resources", "Resources that wait for a place, where there are limits.", registry=REGISTRY
)
MISSED: Final = Counter(
    "narwhal_missed_changes_total",
    "Times a slow look found what the watch of the kind had not told; a few are on their way.",
    ("kind",),
    registry=REGISTRY,
)
FOLLOWED: Final = Gauge("narwhal_followed_pods", "Running worker pods whose progress is pulled.", registry=REGISTRY)
EVENTS_UNSENT: Final = Counter(
    "narwhal_events_unsent_total", "Kubernetes Events that could not be posted.", registry=REGISTRY
)
