"""The sound through the real worker: every track, both codecs, stereo and 5.1, to the sample."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.outcome import Reason
from tests.integration.transcode.studio import X264, Studio, assert_plays, ffmpeg, picture, sound

BEEP = "if(between(t,2,2.5),0.5*sin(2*PI*1000*t),0)"
LOUD = "aevalsrc='" + "|".join(["0.9*sin(2*PI*400*t)"] * 6) + "':s=48000:d=4:c=5.1"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s with English in 5.1, German in stereo and a commentary: a beep at 2 s in each, in another channel layout."""
    path = tmp_path_factory.mktemp("audio") / "in.mkv"
    silent = "|".join(["0"] * 3)
    ffmpeg(
        *picture(seconds=4),
        *("-f", "lavfi", "-i", f"aevalsrc='0|0|{BEEP}|{silent}':s=48000:d=4:c=5.1"),
        *("-f", "lavfi", "-i", f"aevalsrc='{BEEP}|{BEEP}':s=44100:d=4"),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "2", *X264, "-c:a", "flac"),
        *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:2", "language=eng"),
        *("-metadata:s:a:2", "title=With the director", "-disposition:a:2", "comment", path),
    )
    return path


@pytest.mark.parametrize(("codec", "frame"), [("aac", 1024), ("opus", 960)])
def test_every_track_is_a_rendition_in_step(studio: Studio, film: Path, codec: str, frame: int) -> None:
    """Stereo of each, 5.1 of the one that has it; the beep is at 2 s to 5 ms; not a sample too many or too few."""
    studio.input("in.mkv").write_bytes(film.read_bytes())
    spec: dict[str, Any] = {
        "audio": {"codec": codec, "channels": "Source"},
        "packaging": {"manifests": ["HLS", "DASH"], "segmentDuration": "1s"},
    }
    ended = studio.run(studio.order("in.mkv", spec=spec))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert sorted(path.name for path in (studio.version / "audio").iterdir()) == ["de", "en", "en-2", "en-surround"]
    packets = round(4 * 48_000 / frame)
    for name in ("de", "en", "en-2", "en-surround"):
        heard = sound(studio.version / f"audio/{name}/media.m3u8")
        assert len(heard) == packets * frame
        assert abs(next(at for at, value in enumerate(heard) if abs(value) > 2500) / 48_000 - 2) < 0.005
    assert channels(studio.version / "audio/en-surround/media.m3u8") == [6]
    master = (studio.output / "master.m3u8").read_text()
    assert 'NAME="With the director",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=NO' in master
    assert 'mp4a.40.2"' in master if codec == "aac" else 'Opus"' in master
    assert_plays(studio.output / "master.m3u8", 100)
    assert_plays(studio.output / "manifest.mpd", 100)


def test_the_mix_of_loud_surround_neither_clips_nor_fades(studio: Studio) -> None:
    """Six channels of nearly full scale add up to more than two take: held below it, and still loud."""
    ffmpeg(*picture(seconds=4), "-f", "lavfi", "-i", LOUD, *X264, "-c:a", "flac", studio.input("in.mkv"))
    ended = studio.run(studio.order("in.mkv"))
    assert ended.reason is Reason.COMPLETED, ended.message
    heard = sound(studio.version / "audio/main/media.m3u8")[48_000:]
    assert 24_000 < max(heard) < 32_767


def channels(playlist: Path) -> list[int]:
    argv = ["ffprobe", "-v", "error", "-show_entries", "stream=channels", "-of", "json", str(playlist)]
    found = json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout)
    return [stream["channels"] for stream in found["streams"]]


def test_loudness_is_measured_applied_and_measured_again(studio: Studio) -> None:
    """A quiet, a loud, and a silent track end at the target or as they were; the status has both figures."""
    quiet, loud = "0.02*sin(2*PI*997*t)*lt(mod(t,1),0.9)", "0.9*sin(2*PI*997*t)"
    inputs = [f"aevalsrc='{tone}|{tone}':s=48000:d=4" for tone in (quiet, loud, "0")]
    flags = [flag for one in inputs for flag in ("-f", "lavfi", "-i", one)]
    maps = ("-map", "0", "-map", "1", "-map", "2", "-map", "3")
    ffmpeg(*picture(seconds=4), *flags, *maps, *X264, "-c:a", "flac", studio.input("in.mkv"))
    spec = {"audio": {"loudness": {"target": -16}}}
    ended = studio.run(studio.order("in.mkv", spec=spec))
    assert ended.reason is Reason.COMPLETED, ended.message
    assert ended.result is not None
    assert ended.result.plan is not None
    first, second, third = (track.loudness for track in ended.result.plan.audio)
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.gain > 10
    assert second.gain < -10
    assert first.result_loudness == pytest.approx(-16, abs=0.2)
    assert second.result_loudness == pytest.approx(-16, abs=0.2)
    assert (third.gain, third.result_loudness) == (0, None)
    assert [note for note in ended.result.plan.notes if "silent" in note] == [
        "audio main-3: silent or shorter than 0.4 s; its loudness is left as it is"
    ]
    for name, before in (("main", 0.02), ("main-2", 0.9)):
        peak = max(sound(studio.version / f"audio/{name}/media.m3u8")[48_000:]) / 32_768
        gain = {"main": first, "main-2": second}[name].gain
        assert peak == pytest.approx(before * 10 ** (gain / 20), rel=0.1)
