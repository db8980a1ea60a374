"""`narwhal run`: a manifest read, its works run on this machine, one exit code."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, TypeVar

from narwhal_cli.attempts import Stop
from narwhal_cli.display import Display, JsonLines, LateBars
from narwhal_cli.launch import Ready
from narwhal_cli.manifest import ManifestError
from narwhal_cli.orders import Place
from narwhal_cli.outcomes import now
from narwhal_cli.resources import read_stream
from narwhal_cli.runner import Runner
from narwhal_cli.start import Options, UsageError
from narwhal_cli.stores import parse_store
from narwhal_operator.contract import sources
from narwhal_operator.contract.outcome import TABLE, Reason, WorkError
from narwhal_operator.contract.sources import SourceRules

ANYWHERE: Final = ("0.0.0.0/0", "::/0")
T = TypeVar("T")
_GO_ON: Final = "Cancelled: what is finished is kept; run the same command again to go on."


async def run(options: Options, data: bytes, ready: Ready, environment: Mapping[str, str] = os.environ) -> int:
    """Runs a manifest; the exit code: 0, or that of the first reason something failed with.

    Raises UsageError for options that cannot be meant so.
    """
    as_json = options.json or not sys.stdout.isatty()
    rules = source_rules(environment)
    if options.allow_private:
        rules = replace(rules, allowed_networks=ANYWHERE)
    try:
        stream = read_stream(data)
        store = parse_store(options.store, environment) if options.store else None
    except ManifestError as error:
        return _refused(options.file, error, as_json)
    except WorkError as error:
        return _failed(error.reason, error.message, as_json)
    return await _run(Place(stream, store, rules, ready), as_json)


async def _run(place: Place, as_json: bool) -> int:
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.ask)
    display: Display = JsonLines(stop.wanted.set) if as_json else LateBars()
    runner = Runner(place, display, stop)
    await runner.run()
    display.close(_GO_ON if stop.wanted.is_set() and runner.failure is Reason.CANCELLED else None)
    return TABLE[runner.failure].code if runner.failure else 0


def source_rules(environment: Mapping[str, str]) -> SourceRules:
    """What the environment says of sources, by the names of the operator's settings. Raises UsageError."""

    def read(name: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(environment.get(name, ""))
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None

    return SourceRules(
        read("NARWHAL_ALLOWED_NETWORKS", sources.networks_of),
        read("NARWHAL_ALLOWED_HOSTS", sources.hosts_of),
        read("NARWHAL_CONNECTIONS_PER_HOST", sources.count_of),
        read("NARWHAL_PROXY", sources.proxy_of),
        read("NARWHAL_PEER_DISCOVERY", sources.switch_of),
    )


def _refused(name: str, error: ManifestError, as_json: bool) -> int:
    """Tells everything that is wrong in a manifest, and that nothing was started."""
    source = "standard input" if name == "-" else name
    count = f"{len(error.mistakes)} mistake{'s' if len(error.mistakes) > 1 else ''}"
    lines = "".join(f"  {mistake}\n" for mistake in error.mistakes)
    sys.stderr.write(f"error: {source}: InvalidOrder: {count}, nothing was started\n{lines}")
    if as_json:
        found = [{key: value for key, value in asdict(mistake).items() if value} for mistake in error.mistakes]
        _tell_error(Reason.INVALID_ORDER, f"{count} in {source}", found)
    return TABLE[Reason.INVALID_ORDER].code


def _failed(reason: Reason, message: str, as_json: bool) -> int:
    sys.stderr.write(f"error: {reason.value}: {message} (narwhal explain {reason.value})\n")
    if as_json:
        _tell_error(reason, message, [])
    return TABLE[reason].code


def _tell_error(reason: Reason, message: str, mistakes: Sequence[Mapping[str, Any]]) -> None:
    error = {"reason": reason.value, "message": message, "mistakes": list(mistakes)}
    sys.stdout.write(f"{json.dumps({'time': now(), 'error': error}, ensure_ascii=False)}\n")
