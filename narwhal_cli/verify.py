"""`narwhal verify`: the rules of workers/verify over any package, for people and for scripts."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from narwhal_cli.keys import asked_for, given
from narwhal_cli.web import HttpReader, http_session
from narwhal_operator.contract.outcome import WorkError
from narwhal_operator.contract.reasons import TABLE, Reason
from workers.verify.collect import Collector, NotAPackageError
from workers.verify.encrypted import KeyOf
from workers.verify.facts import Package
from workers.verify.readers import DirectoryReader, Reader
from workers.verify.report import Report, judge
from workers.verify.rule import Severity

MASTERS: Final = ("master.m3u8", "index.m3u8", "playlist.m3u8", "main.m3u8")
"""Names that a master playlist is looked for by, in this order."""
MANIFESTS: Final = ("manifest.mpd", "stream.mpd", "dash.mpd")
LISTED: Final = 1000
"""Files of a directory that are looked through for a playlist."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was given."""

    target: str
    extent: Literal["none", "sample", "full"]
    advice: bool
    timeout: float
    as_json: bool
    keys: tuple[str, ...] = ()
    """FILE or URI=FILE: keys of AES-128."""


def run(options: Options) -> int:
    """Verifies, writes what was found; the exit code."""
    began = time.monotonic()
    try:
        report = asyncio.run(_within(options))
    except WorkError as error:
        sys.stderr.write(f"error: {error.reason.value}: {error.message} (narwhal explain {error.reason.value})\n")
        if options.as_json:
            sys.stdout.write(json.dumps({"error": {"reason": error.reason.value, "message": error.message}}) + "\n")
        return TABLE[error.reason].code
    seconds = time.monotonic() - began
    if options.as_json:
        sys.stdout.write(
            report.json(target=options.target, verify=options.extent, seconds=round(seconds, 3)).decode() + "\n"
        )
    else:
        sys.stdout.writelines(f"{line}\n" for line in words(report, options, seconds))
    return TABLE[Reason.VERIFICATION_FAILED].code if report.errors else 0


async def _within(options: Options) -> Report:
    try:
        async with asyncio.timeout(options.timeout):
            return await _verify(options)
    except TimeoutError:
        message = f"{options.target} could not be verified within {options.timeout:g} s; give it more with --timeout."
        raise WorkError(Reason.SOURCE_STALLED, message) from None


async def _verify(options: Options) -> Report:
    keys = await asyncio.to_thread(given, options.keys) if options.keys else None
    async with AsyncExitStack() as stack:
        if urlsplit(options.target).scheme in {"http", "https"}:
            reader: Reader = HttpReader(await stack.enter_async_context(http_session()))
            entries = [options.target]
        else:
            root, entries = await asyncio.to_thread(local, options.target)
            reader = DirectoryReader(root)
        package = await _collect(reader, entries, keys)
        if options.extent != "none":
            package = await _decoded(package, reader, full=options.extent == "full")
        return await asyncio.to_thread(judge, package)


async def _collect(reader: Reader, entries: list[str], keys: KeyOf | None) -> Package:
    try:
        package = await Collector(reader, keys=keys).run(entries)
        return asked_for(package) if keys else package
    except NotAPackageError as error:
        found = error.found
        if found.missing is None:
            raise WorkError(Reason.INPUT_NOT_MEDIA, f"{error}.") from None
        if not reader.remote:
            raise WorkError(Reason.INPUT_NOT_FOUND, f"{error}.") from None
        gone = found.status in {404, 410}
        refused = found.status in {401, 403}
        reason = (
            Reason.SOURCE_NOT_FOUND if gone else Reason.SOURCE_ACCESS_DENIED if refused else Reason.SOURCE_UNREACHABLE
        )
        raise WorkError(reason, f"{error}.") from None


async def _decoded(package: Package, reader: Reader, *, full: bool) -> Package:
    from narwhal_cli.decoding import decoded
    from workers.transcode import runner

    runner.require("ffmpeg", "nice", "setpriv")
    with tempfile.TemporaryDirectory(prefix="narwhal-verify-") as scratch:
        return package.with_samples(await decoded(package, reader, Path(scratch), full=full), None)


def local(target: str) -> tuple[Path, list[str]]:
    """The directory of a package and its entries. Raises WorkError(InputNotFound | InputNotMedia | NotSupported)."""
    if "://" in target:
        message = f"{target}: a directory, a file or an http(s) URL can be verified; other schemes are not supported."
        raise WorkError(Reason.NOT_SUPPORTED, message)
    path = Path(target).expanduser()
    if path.is_file():
        return path.parent, [path.name]
    if not path.is_dir():
        raise WorkError(Reason.INPUT_NOT_FOUND, f"{target}: no such file or directory.")
    entries = [*_found(path, MASTERS, ".m3u8", b"#EXT-X-STREAM-INF"), *_found(path, MANIFESTS, ".mpd", b"<MPD")]
    if not entries:
        entries = _found(path, (), ".m3u8", b"#EXTINF")
    if not entries:
        raise WorkError(Reason.INPUT_NOT_MEDIA, f"{target} has no playlist (.m3u8) and no manifest (.mpd) in it.")
    return path, entries


def _found(path: Path, names: tuple[str, ...], suffix: str, mark: bytes) -> list[str]:
    """The file of the first of these names, else the first with this ending and mark; none when there is none."""
    for name in names:
        if (path / name).is_file():
            return [name]
    for _, file in zip(range(LISTED), sorted(path.glob(f"*{suffix}")), strict=False):
        if file.is_file():
            with file.open("rb") as text:
                if mark in text.read(1024 * 1024):
                    return [file.name]
    return []


def words(report: Report, options: Options, seconds: float) -> Iterator[str]:
    """The findings, by severity and rule, and a line that sums up."""
    shown = [Severity.ERROR, Severity.WARNING, *([Severity.ADVICE] if options.advice else [])]
    for severity in shown:
        for one in report.of(severity):
            for finding in one.findings:
                place = f"{finding.where}:{finding.line}" if finding.line else finding.where
                yield f"{severity.value:<8} {place}  [{one.rule.name}, {one.rule.source}]  {printable(finding.message)}"
    errors, warnings, advice = (report.count(severity) for severity in Severity)
    hint = "" if options.advice or not advice else " (--advice shows them)"
    decoded = f", {len(report.package.samples)} decoded" if options.extent != "none" else ""
    yield (
        f"{_count(errors, 'error')}, {_count(warnings, 'warning')}, {_count(advice, 'piece')} of advice{hint}:"
        f" {len(report.judged)} rules, {_count(len(report.package.streams), 'stream')},"
        f" {_count(report.segments, 'segment')}{decoded}, in {seconds:.1f} s"
    )


def printable(text: str) -> str:
    """A message with nothing in it that a terminal would take for a command: packages are written by anyone."""
    return "".join(char if char.isprintable() else " " for char in text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
