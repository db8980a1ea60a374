"""`narwhal run`: a manifest read, its works run on this machine, one exit code."""

import asyncio
import ipaddress
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from narwhal_cli.attempts import Stop
from narwhal_cli.display import Display, JsonLines, LateBars
from narwhal_cli.manifest import TEXT_LIMIT, ManifestError
from narwhal_cli.orders import Place
from narwhal_cli.outcomes import now
from narwhal_cli.resources import read_stream
from narwhal_cli.runner import Runner
from narwhal_cli.stores import UsageError, parse_store
from narwhal_operator.contract.outcome import TABLE, Reason, WorkError

ANYWHERE: Final = ("0.0.0.0/0", "::/0")
NETWORKS_VARIABLE: Final = "NARWHAL_ALLOWED_NETWORKS"
_GO_ON: Final = "Cancelled: what is finished is kept; run the same command again to go on."


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    file: str
    store: str | None
    allow_private: bool
    json: bool


def run(options: Options, environment: Mapping[str, str] = os.environ) -> int:
    """Runs a manifest; the exit code: 0, or that of the first reason something failed with.

    Raises UsageError for options that cannot be meant so.
    """
    as_json = options.json or not sys.stdout.isatty()
    networks = ANYWHERE if options.allow_private else _networks(environment.get(NETWORKS_VARIABLE, ""))
    data = _read(options.file)
    try:
        stream = read_stream(data)
        store = parse_store(options.store, environment) if options.store else None
    except ManifestError as error:
        return _refused(options.file, error, as_json)
    except WorkError as error:
        return _failed(error.reason, error.message, as_json)
    return asyncio.run(_run(Place(stream, store, networks), as_json))


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


def _networks(text: str) -> tuple[str, ...]:
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(str(ipaddress.ip_network(part, strict=False)))
        except ValueError:
            raise UsageError(
                f"{NETWORKS_VARIABLE}: {part!r} is no network; write CIDRs such as 10.0.0.0/8, with commas between"
            ) from None
    return tuple(found)


def _read(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(TEXT_LIMIT + 1)
        with Path(name).open("rb") as file:
            return file.read(TEXT_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"-f {name}: {error.strerror}; name a manifest, or - for standard input") from None


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
