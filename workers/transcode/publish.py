"""The pointers and the records around them: whose a version is, what was published, what may be swept away."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from narwhal_operator.contract.base import seconds_of
from narwhal_operator.contract.model import ValidationError
from narwhal_operator.contract.order import OrderHead, TranscodeOrder
from narwhal_operator.contract.outcome import WorkError
from narwhal_operator.contract.quality import Quality
from narwhal_operator.contract.transcode import TranscodePlan, TranscodeResult, VerificationSummary
from workers.common.log import log
from workers.common.store import POINTER, ObjectStore
from workers.transcode import evidence, loudness, tiles
from workers.transcode.groups import Variant, audio_groups
from workers.transcode.iframes import iframe_playlist
from workers.transcode.layout import IFRAMES, MEDIA, Layout
from workers.transcode.package import PLAIN, RANGES, Pointers, media_playlist, subtitle_playlist
from workers.transcode.package import VERSION as HLS_VERSION
from workers.transcode.parallel.fence import about, claim
from workers.transcode.plan import TRACKS, bounded
from workers.transcode.quality import unmeasured
from workers.transcode.rendition import Title
from workers.transcode.shelf import Shelf
from workers.transcode.tasks import together
from workers.transcode.versions import ORDER, Rack, Record, Version, expired, owner_of, pending


async def take_over(shelf: Shelf, head: OrderHead, found: Record) -> Record:
    """Makes a published version this resource's, where another one made it: who asked for it last, it goes with.

    Killed between the two writes, the version is not whole by its record: the next run verifies and records it anew.
    """
    before = await shelf.read(ORDER) or b""
    if owner_of(before) == head.uid:
        return found
    result = found.result.model_copy(update={"bytes": found.result.bytes - len(before) + len(about(head))})
    record = found.model_copy(update={"result": result})
    await claim(shelf, head)
    await shelf.put(shelf.layout.outcome, json.dumps(record.wire()).encode())
    return record


async def write_playlists(shelf: Shelf, title: Title) -> None:
    """Stores the media playlists, and of the video the I-frame playlists."""
    texts = {f"{found.path}/{MEDIA}": media_playlist(found, title.target, title.seal) for found in title.renditions}
    plain, ranges = (PLAIN, RANGES) if title.transport else (HLS_VERSION, HLS_VERSION)
    if title.seal is None or title.seal.pictures:
        texts |= {
            f"{one.path}/{IFRAMES}": iframe_playlist(one, title.target, ranges, title.seal) for one in title.videos
        }
    line = title.plan.timeline
    texts |= {f"{text.folder}/{MEDIA}": subtitle_playlist(line, title.target, plain) for text in title.extras.subtitles}
    if title.extras.tiles:
        texts[f"{tiles.FOLDER}/{MEDIA}"] = tiles.playlist(title.extras.tiles, HLS_VERSION)
    await together(*(shelf.put(f"{shelf.layout.root}/{path}", text.encode()) for path, text in texts.items()))


async def publish(shelf: Shelf, pointers: Pointers) -> None:
    """Replaces the pointers. The master is last: who follows it finds everything there.

    A manifest that this version does not have would show another one for ever: it goes.
    """
    if pointers.manifest is not None:
        await shelf.put(shelf.layout.manifest, pointers.manifest.encode(), POINTER)
    await shelf.put(shelf.layout.master, pointers.master.encode(), POINTER)
    if pointers.manifest is None:
        await shelf.call(shelf.store.delete, shelf.bucket, [shelf.layout.manifest])


async def record(
    shelf: Shelf, plan: TranscodePlan, pointers: Pointers, engine: str, verification: VerificationSummary
) -> TranscodeResult:
    """Writes down what was published and returns it."""
    listing = {path: info for path, info in (await shelf.listing()).items() if path != "outcome.json"}
    result = TranscodeResult(
        master_url=shelf.store.url(shelf.bucket, shelf.layout.master),
        master_key=shelf.layout.master,
        manifest_key=shelf.layout.manifest if pointers.manifest is not None else None,
        version=shelf.layout.version,
        bytes=sum(info.size for info in listing.values()),
        objects=len(listing),
        duration_seconds=plan.duration_seconds,
        engine=engine,
        verification=verification,
    )
    found = Record(plan=plan, result=result, master=pointers.master, manifest=pointers.manifest)
    await shelf.put(shelf.layout.outcome, json.dumps(found.wire()).encode())
    return result


async def finished(shelf: Shelf, extent: str, quality: Quality | None = None) -> Record | None:
    """What an earlier run published of this very work, when all of it is still there, verified and measured as asked; else None.

    The pointers are put again when they point elsewhere: an earlier run was killed between two PUTs, or another version
    was published since and this one is asked for now.
    """
    text = await shelf.read("outcome.json")
    if text is None:
        return None
    try:
        found = Record.from_json(text)
    except ValidationError:
        return None  # of another version of Narwhal: made anew
    if extent == "Full" and found.result.verification.extent != "Full":
        return None
    if unmeasured(quality, found.plan.quality_metric, [rung.quality for rung in found.plan.rungs]):
        return None
    listing = {path: info for path, info in (await shelf.listing()).items() if path != "outcome.json"}
    if (len(listing), sum(info.size for info in listing.values())) != (found.result.objects, found.result.bytes):
        return None
    if await shelf.pointer(shelf.layout.master) != found.master:
        await shelf.put(shelf.layout.outcome, text)  # its time is when the version was last published
        await publish(shelf, Pointers(found.master, found.manifest))
    return found


def sweep(store: ObjectStore, order: TranscodeOrder) -> int:
    """Removes what may go of this resource's versions (versions.expired); the number of objects removed.

    For a thread of its own. A version without order.json is not known to be ours and stays.
    """
    rack, grace = Rack.of(store, order.spec.output), _grace(order)
    evidence.tidy(store, rack.bucket, order.head.uid, datetime.now(UTC))
    found = expired(rack.versions(), order.spec.keep_versions, grace, datetime.now(UTC))
    return _drop(rack, [version for version in found if rack.owner(version) == order.head.uid])


def remove(store: ObjectStore, order: TranscodeOrder) -> int:
    """Removes all versions of this resource, and before them the pointers to any of them; the number of objects removed.

    For a thread of its own. Pointers to a version that another resource has made, or has taken over, stay, and so does it.
    """
    rack = Rack.of(store, order.spec.output)
    gone = [version for version in rack.versions() if rack.owner(version) == order.head.uid]
    names, layout = {version.name for version in gone}, Layout(rack.prefix, "")
    # The master first: a player that has it still finds all else, one that comes finds nothing.
    pointers = [key for key in (layout.master, layout.manifest) if rack.named_by(key) & names]
    for key in pointers:
        store.delete(rack.bucket, [key])
    return len(pointers) + _drop(rack, gone) + evidence.remove(store, rack.bucket, order.head.uid)


def _drop(rack: Rack, gone: Sequence[Version]) -> int:
    for version in gone:
        # Whose it is goes last: killed in between, the next sweep still knows that the rest is ours.
        own = Layout(rack.prefix, version.name).order
        rack.store.delete(rack.bucket, (key for key in version.keys if key != own))
        rack.store.delete(rack.bucket, [own])
    return sum(len(version.keys) for version in gone)


def waiting(store: ObjectStore, order: TranscodeOrder) -> datetime | None:
    """When the last of this resource's versions whose grace still runs was superseded; None where none waits."""
    rack = Rack.of(store, order.spec.output)
    found = pending(rack.versions(), order.spec.keep_versions, _grace(order), datetime.now(UTC))
    return max((since for version, since in found if rack.owner(version) == order.head.uid), default=None)


def _grace(order: TranscodeOrder) -> timedelta:
    return timedelta(seconds=seconds_of(order.spec.version_grace_period))


async def tidy(shelf: Shelf, order: TranscodeOrder, result: TranscodeResult) -> TranscodeResult:
    """Sweeps after a version was published; the result says since when another one waits for its end.

    What cannot be removed now is the next run's to remove: no reason to fail.
    """
    try:
        count = await shelf.call(sweep, shelf.store, order)
        since = await shelf.call(waiting, shelf.store, order)
    except WorkError as error:
        log("warning", "older versions were not removed", reason=error.reason.value, message=error.message)
        return result
    if count:
        log("info", "removed older versions", objects=count)
    return result.model_copy(update={"superseded_at": since.isoformat(timespec="seconds") if since else None})


def measured(title: Title, quality: Quality | None = None) -> TranscodePlan:
    """The plan with what encoding has shown: codec strings, bandwidths, the quality where it was measured."""
    summary = title.plan.summary()
    found = {video.name: video for video in title.videos}
    rungs, group = [], next(iter(audio_groups(title)), None)
    for rung in summary.rungs:
        video = found[rung.name]
        codec = video.track.codec if video.track else None
        bandwidth = Variant(video, group).bandwidths(title.target)[0]
        rungs.append(rung.model_copy(update={"codec_string": codec, "bandwidth": bandwidth, "quality": video.quality}))
    loud = {audio.name: audio.loudness for audio in title.audios if audio.loudness}
    sound = [one.model_copy(update={"loudness": loud.get(one.name)}) for one in summary.audio]
    notes = bounded(
        [*title.plan.faults, *title.plan.notes, *title.extras.notes, *loudness.notes(loud, title.plan.loudness or 0)]
    )
    text = [track.summary() for track in title.extras.subtitles[:TRACKS]]
    metric = quality.metric if quality else None
    made = {"quality_metric": metric, "rungs": rungs, "audio": sound, "subtitles": text, "notes": notes}
    return summary.model_copy(update=made)
