"""Tracks of an input to renditions, groups, argument lists: names, order, what each player is offered."""

from fractions import Fraction
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from narwhal_operator.contract.transcode import TranscodeOptions
from tests.unit.transcode.fmp4 import aac_init, opus_init, segment
from tests.unit.transcode.inputs import probed
from tests.unit.transcode.packages import good, stored
from tests.unit.transcode.test_command import JOB
from workers.transcode import command, dash, package
from workers.transcode.ladder import plan
from workers.transcode.languages import name_of, unique
from workers.transcode.media import Audio, Role
from workers.transcode.plan import AudioTrack, Plan
from workers.transcode.rendition import Rendition, Title
from workers.verify.boxes import without_pre_skip
from workers.verify.init import read_init

ENGLISH = Audio(1, "ac3", 6, language="eng", title="Main mix")
GERMAN = Audio(2, "aac", 2, language="deu")
TALK = Audio(3, "aac", 2, language="eng", role="commentary")
TOLD = Audio(4, "aac", 1, language="eng", role="description")


def planned(*tracks: Audio, **audio: Any) -> Plan:
    return plan(probed("1280x720", audio=tracks), TranscodeOptions.model_validate({"audio": audio}))


def shown(track: AudioTrack) -> tuple[str, str, int, int]:
    return track.name, track.label, track.channels, track.bitrate


def test_each_track_is_a_rendition_with_a_key_and_a_name_of_its_own() -> None:
    """A file's title, else the language's own name; no two alike, in keys or in menus."""
    made = planned(ENGLISH, replace(ENGLISH, index=5), GERMAN, TALK, TOLD, Audio(9, "aac", 2)).audio
    assert [shown(track) for track in made] == [
        ("en", "Main mix", 2, 128_000),
        ("en-2", "Main mix (2)", 2, 128_000),
        ("de", "Deutsch", 2, 128_000),
        ("main", "Audio", 2, 128_000),
        ("en-3", "English (commentary)", 2, 128_000),
        ("en-4", "English (audio description)", 1, 64_000),
    ]


def test_surround_is_wished_for() -> None:
    """Source keeps 5.1 beside the stereo mix of the tracks that have it; stereo tracks stay as they are."""
    made = planned(ENGLISH, GERMAN, channels="Source", bitrate="96k").audio
    assert [(*shown(track), track.downmix) for track in made] == [
        ("en", "Main mix", 2, 96_000, True),
        ("de", "Deutsch", 2, 96_000, False),
        ("en-surround", "Main mix", 6, 288_000, False),
    ]
    assert [track.channels for track in planned(replace(ENGLISH, channels=4), channels="Source").audio] == [2]


def test_the_number_of_tracks_is_bounded() -> None:
    """Sixteen of forty; the rest is said."""
    made = planned(*(Audio(number, "aac", 2) for number in range(1, 41)))
    assert len(made.audio) == 16
    assert made.notes[0].startswith("audio: 16 of 40 tracks are packaged; left out: unknown, unknown")


@pytest.mark.parametrize(("codec", "packets"), [("aac", 469), ("opus", 500)])
def test_packets_fill_the_duration(codec: str, packets: int) -> None:
    """Ten seconds at 48 kHz, in packets of 1024 or 960 samples."""
    (track,) = planned(GERMAN, codec=codec).audio
    assert track.packets == packets
    assert abs(track.samples - 480_000) <= track.frame / 2
    assert track.first_packet(1, Fraction(4)) * track.frame >= 4 * 48_000


def test_all_tracks_are_encoded_by_one_process() -> None:
    """A source is decoded once for its stereo and its surround; the mix says its matrix."""
    made = planned(ENGLISH, GERMAN, channels="Source")
    argv = command.encode_audio(made, made.audio, JOB)
    graphs = argv[argv.index("-filter_complex") + 1].split(";")
    assert [graph[:5] for graph in graphs] == ["[0:1]", "[0:2]", "[0:1]"]
    assert "center_mix_level=0.7071:surround_mix_level=0.7071:lfe_mix_level=0,alimiter" in graphs[0]
    assert all("alimiter" not in graph for graph in graphs[1:])
    assert "channel_layouts=5.1" in graphs[2]
    assert argv.count("-i") == 1
    assert [argv[at + 1] for at, flag in enumerate(argv) if flag == "-map"] == ["[a0]", "[a1]", "[a2]"]


def test_opus_has_packets_of_20_ms_and_its_own_priming() -> None:
    """The first 312 samples are the decoder's; the encoder is given what is to be heard from there on."""
    made = planned(GERMAN, codec="opus")
    argv = command.encode_audio(made, made.audio, JOB)
    assert argv[argv.index("-frame_duration") + 1] == "20"
    assert "atrim=start_sample=312:end_sample=480000" in argv[argv.index("-filter_complex") + 1]


def test_an_opus_init_is_read_and_loses_its_pre_skip() -> None:
    """Channels from dOps, 48 kHz whatever it says; PreSkip 0 and nothing else changed."""
    init = opus_init(6, pre_skip=312)
    track = read_init(init)
    assert (track.codec, track.channels, track.sample_rate, track.timescale) == ("Opus", 6, 48_000, 48_000)
    assert without_pre_skip(init) == opus_init(6, pre_skip=0)


def surround() -> Title:
    """The good package with an English track in stereo and 5.1 and a German one in stereo."""
    title = good().title
    made = planned(ENGLISH, GERMAN, channels="Source")
    audios = []
    for track in made.audio:
        one = Rendition(track.name, f"audio/{track.name}", audio=track, track=read_init(aac_init(track.channels)))
        one.stored[0] = stored(0, segment(0, track.packets, 1024), size=1000 * track.channels)
        audios.append(one)
    return Title(replace(title.plan, audio=made.audio), title.videos, tuple(audios))


def test_surround_is_a_group_of_the_same_tracks() -> None:
    """RFC 8216 section 4.3.4.2.1: the same members in each group; a stereo track stands in both. Stereo comes first."""
    lines = package.master_playlist("v/x", surround()).splitlines()
    media = [line for line in lines if line.startswith("#EXT-X-MEDIA")]
    assert [line.split("NAME=")[1].split(",AUTO")[0] for line in media] == [
        '"Main mix",LANGUAGE="en",DEFAULT=YES',
        '"Deutsch",LANGUAGE="de",DEFAULT=NO',
    ] * 2
    assert [line.split("CHANNELS=")[1] for line in media] == [
        '"2",URI="v/x/audio/en/media.m3u8"',
        '"2",URI="v/x/audio/de/media.m3u8"',
        '"6",URI="v/x/audio/en-surround/media.m3u8"',
        '"2",URI="v/x/audio/de/media.m3u8"',
    ]
    groups = [line.split("AUDIO=")[1] for line in lines if line.startswith("#EXT-X-STREAM-INF")]
    assert groups == ['"audio"', '"audio"', '"surround"', '"surround"']


def test_roles_are_told_to_both_kinds_of_player() -> None:
    """Descriptions have their HLS characteristic and DASH purpose; a commentary is for who asks for it."""
    title = surround()
    roles: tuple[Role, ...] = ("main", "commentary", "description")
    for number, (audio, role) in enumerate(zip(title.audios, roles, strict=True)):
        assert audio.audio is not None
        audio.audio = replace(audio.audio, role=role, channels=2, index=number)
    master = package.master_playlist("v/x", title)
    assert master.count("describes-video") == 1
    assert 'NAME="Deutsch",LANGUAGE="de",DEFAULT=NO,AUTOSELECT=NO' in master
    space = "{urn:mpeg:dash:schema:mpd:2011}"
    root = ET.fromstring(dash.manifest("v/x", title))  # noqa: S314 - our own text
    found = [element.get("value") for element in root.iter(f"{space}Role")]
    assert found == ["main", "commentary", "alternate"]
    assert [element.get("value") for element in root.iter(f"{space}Accessibility")] == ["1"]


def test_languages_have_names_and_names_are_told_apart() -> None:
    """What is not known is shown as it is; case makes no difference in a key."""
    assert [name_of(tag) for tag in ("de", "pt-BR", "haw", None)] == ["Deutsch", "Português (pt-BR)", "haw", None]
    assert unique("EN", ["en", "en-2"]) == "EN-3"
