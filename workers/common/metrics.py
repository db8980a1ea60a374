"""Counters of a worker, as Prometheus text. The client library is imported with the first scrape, not before."""

from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, Final

import msgspec


class Counter(msgspec.Struct, frozen=True):
    """A counter that is declared, so that its label names and values are known to be bounded."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


class Metrics:
    """The counters of one process. Thread-safe."""

    def __init__(self) -> None:
        self._values: dict[Counter, dict[tuple[str, ...], float]] = {}
        self._lock: Final = Lock()

    def add(self, counter: Counter, amount: float = 1, **labels: str) -> None:
        """Adds to the counter's series of these labels; raises KeyError for a label it does not declare."""
        values = tuple(labels[name] for name in counter.labels)
        with self._lock:
            series = self._values.setdefault(counter, {})
            series[values] = series.get(values, 0) + amount

    def total(self, counter: Counter) -> float:
        """The sum over all series of a counter."""
        with self._lock:
            return sum(self._values.get(counter, {}).values())

    def text(self, gauges: Mapping[str, tuple[str, float]] | None = None) -> bytes:
        """The exposition format (text, version 0.0.4), with gauges given as name -> (help, value)."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self._snapshot(), gauges or {}))
        return generate_latest(registry)

    def _snapshot(self) -> dict[Counter, dict[tuple[str, ...], float]]:
        with self._lock:
            return {counter: dict(series) for counter, series in self._values.items()}


class _Collector:
    def __init__(
        self,
        counters: Mapping[Counter, Mapping[tuple[str, ...], float]],
        gauges: Mapping[str, tuple[str, float]],
    ) -> None:
        self._counters = counters
        self._gauges = gauges

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for counter, series in self._counters.items():
            family = CounterMetricFamily(counter.name, counter.help, labels=counter.labels)
            for labels, value in series.items():
                family.add_metric(labels, value)
            yield family
        for name, (text, value) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=value)
