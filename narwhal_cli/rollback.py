"""`narwhal rollback`: lists the versions of a title, and puts the pointers of an older one back."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from narwhal_cli.manifest import ManifestError
from narwhal_cli.orders import Place, output_store
from narwhal_cli.resources import Stream, read_stream
from narwhal_cli.start import UsageError, read
from narwhal_cli.stores import parse_store
from narwhal_cli.works import Work
from narwhal_operator.contract.outcome import TABLE, Reason, WorkError
from narwhal_operator.contract.transcode import TranscodingJobSpec
from workers.common.store import open_store
from workers.transcode.versions import Rack, Record, Version


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    file: str
    name: str | None
    store: str | None
    to: str | None
    list_only: bool
    json: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A version, and what was published as it; None of one that is unfinished or not whole."""

    version: Version
    record: Record | None


def run(options: Options, environment: Mapping[str, str] = os.environ) -> int:
    """Lists or goes back; the exit code. Raises UsageError for what cannot be meant so."""
    try:
        stream = read_stream(read(options.file))
        store = parse_store(options.store, environment) if options.store else None
        work, spec = _chosen(stream, options.name)
        with _rack(work, spec, Place(stream, store)) as rack:
            versions = [Found(version, rack.record(version)) for version in rack.versions()]
            versions.sort(key=_age)
            if options.list_only:
                _show(versions, as_json=options.json)
                return 0
            target = target_of(versions, options.to, work.title)
            if target.record is not None:
                rack.point(target.version.name, target.record)
                _tell(work, target, as_json=options.json)
    except ManifestError as error:
        sys.stderr.write(f"error: narwhal rollback: {error}\n")
        return TABLE[Reason.INVALID_ORDER].code
    except WorkError as error:
        sys.stderr.write(f"error: {error.reason.value}: {error.message} (narwhal explain {error.reason.value})\n")
        return TABLE[error.reason].code
    return 0


def target_of(versions: list[Found], to: str | None, title: str) -> Found:
    """The version to go back to: the one named, else the whole one published before the one that is now.

    `versions` are in the order they were published in. Raises UsageError when there is none, with what there is.
    """
    whole = [found for found in versions if found.record is not None]
    names = ", ".join(found.version.name for found in whole) or "none"
    if to is not None:
        chosen = next((found for found in versions if found.version.name == to), None)
        if chosen is None:
            raise UsageError(f"{title} has no version {to}; whole ones are: {names}")
        if chosen.record is None:
            raise UsageError(f"version {to} of {title} is not whole: a run did not finish it, or objects are gone; run it again, or choose one of: {names}")  # fmt: skip
        return chosen
    now = next((index for index, found in enumerate(whole) if found.version.named), len(whole))
    if now == 0 or not whole:
        raise UsageError(f"{title} has no whole version older than the published one; whole ones are: {names}. keepVersions says how many stay")  # fmt: skip
    return whole[now - 1]


def _chosen(stream: Stream, name: str | None) -> tuple[Work, TranscodingJobSpec]:
    jobs = [(work, work.spec) for work in stream.works if isinstance(work.spec, TranscodingJobSpec)]
    if name is not None:
        jobs = [(work, spec) for work, spec in jobs if name in {work.name, work.title}]
    if len(jobs) == 1:
        return jobs[0]
    if not jobs:
        raise UsageError(f"-f holds no TranscodingJob {name or ''}; name the manifest that the title was run with")
    names = ", ".join(work.name for work, _ in jobs[:20])
    raise UsageError(f"-f holds {len(jobs)} TranscodingJobs; name one of them: {names}")


@contextmanager
def _rack(work: Work, spec: TranscodingJobSpec, place: Place) -> Iterator[Rack]:
    """The versions of a work's output, in the store a run would write to. Secrets lie in a private directory meanwhile."""
    with tempfile.TemporaryDirectory(prefix="narwhal-rollback-") as directory:
        store, bundle = output_store(work, spec, place, directory)
        for name, value in bundle.files.items():
            path = Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value)
        opened = open_store(store)
        opened.check_bucket(spec.output.bucket)
        yield Rack.of(opened, spec.output)


def _age(found: Found) -> tuple[float, str]:
    """Unfinished ones first, then by the time they were last published."""
    published = found.version.published
    return (published.timestamp() if published else 0.0, found.version.name)


def _facts(found: Found) -> dict[str, object]:
    version, record = found.version, found.record
    return {
        "version": version.name,
        "published": version.published.isoformat(timespec="seconds") if version.published else None,
        "current": version.named,
        "whole": record is not None,
        "bytes": version.size,
        "rungs": _rungs(found),
    }


def _rungs(found: Found) -> list[str]:
    plan = found.record.plan if found.record else None
    return [rung.name for rung in plan.rungs or plan.audio] if plan else []


def _show(versions: list[Found], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.writelines(f"{json.dumps(_facts(found))}\n" for found in versions)
        return
    rows = [("", "VERSION", "PUBLISHED", "MB", "RUNGS")]
    for found in versions:
        facts, rungs = _facts(found), ", ".join(_rungs(found))
        size = f"{found.version.size / 1e6:.1f}"
        mark = "*" if found.version.named else ""
        rows.append((mark, found.version.name, str(facts["published"] or "-"), size, rungs or "not whole"))
    sys.stdout.writelines(f"{a:1} {b:16}  {c:25}  {d:>9}  {e}\n" for a, b, c, d, e in rows)


def _tell(work: Work, target: Found, *, as_json: bool) -> None:
    url = target.record.result.master_url if target.record else ""
    if as_json:
        sys.stdout.write(f"{json.dumps({'rolledBack': work.name, 'masterUrl': url, **_facts(target)})}\n")
    else:
        sys.stdout.write(f"{work.title}: {url} shows version {target.version.name} again.\n")
