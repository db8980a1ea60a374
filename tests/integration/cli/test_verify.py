"""`narwhal verify` as a user runs it: on directories, files and URLs, on packages of ours and of other tools."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from narwhal_operator.contract.reasons import TABLE, Reason
from tests.integration.cli.shell import Shell
from tests.integration.transcode.studio import AAC, X264, ffmpeg, picture, tone
from tests.integration.verify.packs import Pack, make

FAILED = TABLE[Reason.VERIFICATION_FAILED].code


class Server(SimpleHTTPRequestHandler):
    """Files of a directory; /moved/… is redirected to /…, .m3u8 come as text."""

    extensions_map = {".m3u8": "text/plain", ".mpd": "application/dash+xml", "": "application/octet-stream"}  # noqa: RUF012 - the base class has it so

    def do_GET(self) -> None:
        """Ranges are passed over, as by many servers."""
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing on the tests' standard error."""


@contextmanager
def served(root: Path) -> Iterator[str]:
    """The URL of a server on the loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=str(root)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package in which all is right."""
    return make(tmp_path_factory.mktemp("package"))


@pytest.mark.parametrize("name", ["", "master.m3u8", "manifest.mpd"])
def test_a_good_package_is_said_to_be_good(shell: Shell, package: Path, name: str) -> None:
    """A directory, its playlist or its manifest; every segment is decoded."""
    ran = shell.run("verify", "--full", str(package / name))
    assert (ran.code, ran.err) == (0, "")
    (line,) = ran.out.splitlines()
    assert line.startswith("0 errors, 0 warnings, ")
    # HLS alone does not name the subtitles of DASH, nor DASH the I-frame playlists; segments are the same.
    assert ", 12 decoded, in " in line


def test_a_finding_names_file_line_rule_and_source(shell: Shell, package: Path, tmp_path: Path) -> None:
    """And the exit code is that of VerificationFailed."""
    pack = Pack.copy(package, tmp_path / "pack")
    pack.sub("master.m3u8", r"INF:BANDWIDTH=\d+", "INF:BANDWIDTH=1000")
    ran = shell.run("verify", str(pack.root))
    assert ran.code == FAILED
    line = ran.out.splitlines()[0]
    assert line.startswith("error    master.m3u8:")
    assert "  [bandwidth-true, RFC 8216 4.3.4.2, " in line
    assert "  BANDWIDTH is 1000, measured " in line
    assert ran.out.splitlines()[-1].startswith("1 error, 0 warnings, ")


def test_the_report_is_one_json_object(shell: Shell, package: Path) -> None:
    """Every rule with its source, severity and findings; what each stream is."""
    ran = shell.run("verify", "-o", "json", str(package))
    report = json.loads(ran.out)
    assert (ran.code, report["errors"], report["verify"]) == (0, 0, "sample")
    assert {check["severity"] for check in report["checks"]} == {"error", "warning", "advice"}
    assert {stream["kind"] for stream in report["streams"]} == {"video", "audio", "subtitles", "i-frames", "images"}


def test_a_segment_that_does_not_decode_is_found(shell: Shell, package: Path, tmp_path: Path) -> None:
    """A hole of zeros in its data, which nothing but a decoder sees; with --full any segment's."""
    pack = Pack.copy(package, tmp_path / "pack")
    size = pack.path("high/00000.m4s").stat().st_size
    pack.patch("high/00000.m4s", size // 2, bytes(size // 4))
    ran = shell.run("verify", "--full", str(pack.root))
    assert ran.code == FAILED
    (line,) = (line for line in ran.out.splitlines() if line.startswith("error"))
    assert "high/00000.m4s  [decodes-strictly, " in line
    assert shell.run("verify", "--no-decode", str(pack.root)).code == 0


def test_a_server_is_judged_as_well(shell: Shell, package: Path) -> None:
    """Redirects are errors; types, TLS and compression are warnings; a server without ranges serves."""
    with served(package) as url:
        ran = shell.run("verify", f"{url}/master.m3u8")
        assert (ran.code, ran.err) == (0, "")
        assert "[content-types, " in ran.out
        assert "[transport-secure, " in ran.out
        ran = shell.run("verify", "--no-decode", f"{url}/moved/master.m3u8")
    assert ran.code == FAILED
    assert (
        f"/moved/master.m3u8  [no-redirects, HLS Authoring Specification 8.18]  it is redirected to {url}/" in ran.out
    )


@pytest.mark.parametrize(
    ("target", "reason", "words"),
    [
        pytest.param("nowhere", Reason.INPUT_NOT_FOUND, "nowhere: no such file or directory", id="no directory"),
        pytest.param(".", Reason.INPUT_NOT_MEDIA, "no playlist (.m3u8) and no manifest (.mpd)", id="no package in it"),
        pytest.param("text.m3u8", Reason.INPUT_NOT_MEDIA, "neither a playlist (#EXTM3U) nor a manifest", id="a text"),
        pytest.param("s3://bucket/key", Reason.NOT_SUPPORTED, "http(s) URL", id="another scheme"),
        pytest.param("http://127.0.0.1:1/x.m3u8", Reason.SOURCE_UNREACHABLE, "127.0.0.1", id="nobody answers"),
        pytest.param("URL/nothing.m3u8", Reason.SOURCE_NOT_FOUND, "HTTP 404", id="not on the server"),
    ],
)
def test_what_is_no_package_ends_with_its_reason(
    shell: Shell, tmp_path: Path, target: str, reason: Reason, words: str
) -> None:
    """One line, and the code of the reason; nothing on standard output."""
    with served(tmp_path) as url:
        (shell.home / "text.m3u8").write_text("hello")
        ran = shell.run("verify", target.replace("URL", url))
    assert ran.code == TABLE[reason].code
    assert ran.err.startswith(f"error: {reason.value}: ")
    assert words in ran.err
    assert ran.out == ""


HLS = ("-f", "hls", "-hls_playlist_type", "vod", "-hls_time", "1", "-master_pl_name", "master.m3u8")
OTHERS = {
    "ts": HLS,
    "fmp4": (*HLS, "-hls_segment_type", "fmp4"),
    "dash": ("-f", "dash", "-seg_duration", "1"),
}


@pytest.mark.parametrize("kind", list(OTHERS))
def test_packages_of_ffmpegs_own_muxers_are_judged_by_what_is_true_of_them(
    shell: Shell, tmp_path: Path, kind: str
) -> None:
    """Its bytes are right: only what its texts say of them is not, or is not said."""
    name = {"dash": "manifest.mpd"}.get(kind, "media.m3u8")
    ffmpeg(*picture(), *tone(), *X264, "-g", "25", *AAC, *OTHERS[kind], tmp_path / name)
    report = json.loads(shell.run("verify", "--full", "-o", "json", str(tmp_path)).out)
    broken = {check["rule"] for check in report["checks"] if not check["passed"] and check["severity"] == "error"}
    assert broken <= {"bandwidth-true", "independent-declared", "mpd-bandwidth-true"}
    assert report["decoded"] >= 4
