"""A title that is made again with other settings: what earlier versions have of it is taken, the rest alone is encoded."""

import multiprocessing
import os
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from narwhal_operator.contract.order import TranscodeOrder
from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.stages import by_parts, divided, files
from tests.integration.transcode.studio import AAC, X264, Ended, Studio, assert_plays, ffmpeg, picture, tone
from workers.common.directory import DirectoryStore
from workers.common.store import ObjectInfo

FRAMES: Final = 80
HIGH: Final = {"name": "high", "height": 90}
MIDDLE: Final = {"name": "middle", "height": 72}
LOW: Final = {"name": "low", "height": 48}
MORE: Final[dict[str, Any]] = {"ladder": {"renditions": [HIGH, MIDDLE, LOW]}}
KEY: Final = "00112233445566778899aabbccddeeff"


@pytest.fixture
def published(studio: Studio) -> Studio:
    """A studio with a title of two rungs and sound, published."""
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    assert studio.run(studio.order()).reason is Reason.COMPLETED
    return studio


@dataclass(frozen=True, slots=True)
class Witness:
    """Stands before FFmpeg and writes down what it is asked to do."""

    file: Path

    def encodes(self) -> list[list[str]]:
        """The rungs and tracks of each encode, and of each measurement of sound, since the last look."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        self.file.unlink(missing_ok=True)
        found = [re.findall(r"/([^/ ]+)/ffmpeg\.m3u8", line) for line in lines]
        return [*(names for names in found if names), *(["measured"] for line in lines if "ebur128" in line)]


@pytest.fixture
def witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Witness:
    """A program that is found as ffmpeg, writes its arguments down and becomes FFmpeg."""
    real, folder, found = shutil.which("ffmpeg"), tmp_path / "bin", Witness(tmp_path / "ran")
    folder.mkdir()
    script = folder / "ffmpeg"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{found.file}"\nexec "{real}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return found


def reused(ended: Ended) -> list[str]:
    return [note for note in ended.notes if note.startswith("reused of version")]


def version_of(studio: Studio, rung: str) -> Path:
    """The one version that has this rung."""
    (found,) = studio.output.glob(f"v/*/{rung}")
    return found.parent


def test_one_rung_more_is_that_rung_alone(published: Studio, witness: Witness) -> None:
    """Old segments are there byte for byte, of sound too; FFmpeg makes the new rung; the old version plays on, and may go."""
    before = published.version
    stored = files(before)
    witness.encodes()
    ended = published.run(published.order(spec=MORE, attempt=2))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert witness.encodes() == [["middle"]]
    assert reused(ended) == [f"reused of version {before.name}: 12 segments of 3 of 4 renditions; not encoded again"]
    after = files(version_of(published, "middle"))
    segments = {name: data for name, data in stored.items() if name.endswith((".m4s", ".mp4"))}
    assert len(segments) == 15
    assert {name: after[name] for name in segments} == segments
    assert files(before) == stored
    assert_plays(before / "high/media.m3u8", FRAMES)

    shutil.rmtree(before)
    assert_plays(published.output / "master.m3u8", FRAMES)
    for rung in ("high", "middle", "low"):
        assert_plays(version_of(published, "middle") / rung / "media.m3u8", FRAMES)


def test_another_resource_takes_what_a_deleted_one_made(published: Studio, witness: Witness) -> None:
    """Deleted and applied anew: another uid, the same output. A rung less is no encode at all."""
    witness.encodes()
    ended = published.run(published.order(spec={"ladder": {"renditions": [LOW]}}, uid="u-2"))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert witness.encodes() == []
    again = published.run(published.order(uid="u-3"))
    assert again.message == "All was done by an earlier run."


def test_another_film_or_other_settings_are_made_anew(published: Studio, witness: Witness) -> None:
    """An input that changed under its name, and a rung whose settings changed: of neither is anything taken."""
    witness.encodes()
    finer = {"ladder": {"renditions": [HIGH, {**LOW, "crf": 30}]}}
    ended = published.run(published.order(spec=finer, attempt=2))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert witness.encodes() == [["low"]]
    ffmpeg(*picture(rate="25", seconds=3.2), *tone(), *X264, "-g", "10", *AAC, published.input())
    ended = published.run(published.order(spec=MORE, attempt=3))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert reused(ended) == []
    made = witness.encodes()
    assert sorted(made) == [["high", "middle", "low"], ["main"]]


def test_what_an_unfinished_version_has_is_taken(published: Studio, witness: Witness) -> None:
    """A change of the ladder in mid-run: segments of the version that was never finished count; those that lack are made."""
    (published.output / "master.m3u8").unlink()
    before = published.version
    (before / "outcome.json").unlink()
    for name in ("low/00001.m4s", "low/00002.m4s", "audio/main/00002.m4s"):
        (before / name).unlink()
    witness.encodes()
    ended = published.run(published.order(spec=MORE, attempt=2))
    assert ended.reason is Reason.COMPLETED, ended.message
    made = sorted(witness.encodes())
    assert made == [["main"], ["middle", "low"]], "sound is whole or not at all; two segments are no process"
    assert "6 segments of 2 of 4 renditions" in reused(ended)[0]
    assert_plays(published.output / "master.m3u8", FRAMES)


class Deadly(DirectoryStore):
    """A store at whose copy of a certain number the process is killed."""

    copies = 0

    def copy(self, bucket: str, source: ObjectInfo, key: str) -> ObjectInfo:
        """The end of the process, or a copy."""
        self.copies += 1
        if self.copies >= 5:  # threads count at once
            os.kill(os.getpid(), signal.SIGKILL)
        return super().copy(bucket, source, key)


def run_until_killed(base: Path, order: dict[str, Any]) -> None:
    studio = Studio(base)
    studio.run(TranscodeOrder.model_validate(order), Deadly(studio.root))


def test_a_run_that_is_killed_while_it_takes_goes_on(published: Studio, witness: Witness) -> None:
    """Kill -9 between two copies: the title plays; the next attempt takes the rest and encodes the new rung alone."""
    order = published.order(spec=MORE, attempt=2).wire()
    process = multiprocessing.get_context("spawn").Process(target=run_until_killed, args=(published.base, order))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert_plays(published.output / "master.m3u8", FRAMES)
    witness.encodes()
    ended = published.run(published.order(spec=MORE, attempt=3))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert witness.encodes() == [["middle"]]
    assert_plays(published.output / "master.m3u8", FRAMES)


def test_what_a_gate_refused_is_not_taken_again(published: Studio, witness: Witness) -> None:
    """A stored segment that rotted is copied and found; the next attempt makes all itself, and says so no more after."""
    rotten = published.version / "low/00001.m4s"
    data = bytearray(rotten.read_bytes())
    data[-200:] = bytes(200)
    rotten.write_bytes(data)
    ended = published.run(published.order(spec={**MORE, "verify": "Full"}, attempt=2))
    assert ended.reason is Reason.VERIFICATION_FAILED
    witness.encodes()
    ended = published.run(published.order(spec={**MORE, "verify": "Full"}, attempt=3))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert sorted(witness.encodes()) == [["high", "middle", "low"], ["main"]]
    assert not list(published.output.glob("v/*/anew.json"))


def test_several_pods_make_the_new_rung_alone(published: Studio, witness: Witness) -> None:
    """Plan takes what there is and divides the rest; its note reaches the end."""
    order = divided(published, spec=MORE)
    witness.encodes()
    ended = by_parts(published, order, attempt=2)
    assert ended.reason is Reason.COMPLETED, ended.message
    found = witness.encodes()
    assert len(found) > 1
    assert {name for names in found for name in names} == {"middle"}
    assert len(reused(ended)) == 1
    assert_plays(published.output / "master.m3u8", FRAMES)


def test_normalised_sound_keeps_its_measure(studio: Studio, witness: Witness) -> None:
    """Neither measured nor encoded again; the plan says its loudness as it did. Another target is other sound."""
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    loud = {"audio": {"loudness": {"target": -20}}}
    first = studio.run(studio.order(spec=loud))
    assert first.reason is Reason.COMPLETED, first.message
    witness.encodes()
    ended = studio.run(studio.order(spec={**MORE, **loud}, attempt=2))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert witness.encodes() == [["middle"]]
    assert first.report.plan is not None
    assert ended.report.plan is not None
    assert ended.report.plan.audio == first.report.plan.audio
    ended = studio.run(studio.order(spec={**MORE, "audio": {"loudness": {"target": -30}}}, attempt=3))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert {name for names in witness.encodes() for name in names} == {"main", "measured"}


@pytest.mark.parametrize("method", ["AES-128", "cbcs", "cenc"])
def test_an_encrypted_title_is_taken_with_its_keys(
    studio: Studio, tmp_path: Path, witness: Witness, method: str
) -> None:
    """Under the same key segments are taken as they are, and open; under another one all is made anew."""
    ffmpeg(*picture(), *tone(), *X264, *AAC, studio.input())
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / KEY).write_text("0f" * 16)
    wish = {"method": method, "keysFrom": {"secretRef": {"name": "k"}}, "keyUri": "https://keys.example.org/{kid}"}
    sealed = {"packaging": {"segmentDuration": "1s", "encryption": wish}}
    assert studio.run(studio.order(spec=sealed, keys=str(keys))).reason is Reason.COMPLETED
    stored = files(studio.version)
    witness.encodes()
    ended = studio.run(studio.order(spec={**MORE, **sealed, "verify": "Full"}, keys=str(keys), attempt=2))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert witness.encodes() == [["middle"]]
    after = files(version_of(studio, "middle"))
    assert all(after[name] == data for name, data in stored.items() if name.endswith((".m4s", ".mp4")))
    (keys / KEY).write_text("f0" * 16)
    ended = studio.run(studio.order(spec={**MORE, **sealed}, keys=str(keys), attempt=3))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert reused(ended) == []
