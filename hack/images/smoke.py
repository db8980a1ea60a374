"""Proves, inside an image while it is built, that it has all its program needs and nothing it must not have.

Called as `smoke.py operator|download|torrent|transcode` by the Dockerfile.
"""

import argparse
import importlib
import importlib.util
import os
import pkgutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PACKAGES: Final = {
    "operator": ("narwhal_operator",),
    "download": ("narwhal_operator", "workers"),
    "torrent": ("narwhal_operator", "workers"),
    "transcode": ("narwhal_operator", "workers"),
}
_OPERATORS: Final = ("narwhal_operator.core", "narwhal_operator.kube", "kopf", "kubernetes", "pydantic")
FOREIGN: Final = {
    "operator": ("workers", "narwhal_cli", "minio", "msgspec", "libtorrent", "pip"),
    "download": (*_OPERATORS, "workers.transcode", "libtorrent", "pip"),
    "torrent": (*_OPERATORS, "workers.transcode", "pip"),
    "transcode": (*_OPERATORS, "workers.download", "libtorrent", "pip"),
}
"""Modules an image must not have: another image's work, and what could install more."""
PROGRAMS: Final[dict[str, set[str]]] = {
    "operator": set(),
    "download": set(),
    "torrent": set(),
    "transcode": {"ffmpeg", "ffprobe", "nice", "setpriv"},
}
"""All there is to be called beside Python."""
LINKER: Final = next(Path("/lib64").glob("ld-linux-*"), Path("/lib/ld-linux-aarch64.so.1"))


class SmokeError(Exception):
    """The image is not fit to be shipped."""


def main() -> int:
    """Check the image this runs in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", choices=sorted(PACKAGES))
    image: str = parser.parse_args().image
    if image != "operator":
        importlib.import_module("narwhal_operator.contract").trust()
    for name in modules_of(image):
        importlib.import_module(name)
    present = [name for name in FOREIGN[image] if is_there(name)]
    if present:
        raise SmokeError(f"the image {image} has what it must not have: {', '.join(present)}")
    if not ssl.create_default_context().cert_store_stats()["x509_ca"]:
        raise SmokeError(f"the image {image} trusts no certificate authority")
    for program in programs():
        check_libraries(program)
    found = {path.name for path in Path("/usr/bin").iterdir() if not path.name.startswith("python")}
    if found != PROGRAMS[image]:
        raise SmokeError(
            f"the image {image} has the programs {sorted(found)} and should have {sorted(PROGRAMS[image])}"
        )
    if image == "torrent":
        check_libtorrent()
    if "ffmpeg" in found:
        check_record()
        check_ffmpeg()
    return 0


def modules_of(image: str) -> Iterator[str]:
    """Every module of ours in the image, each `__main__` too: none starts anything when it is imported."""
    for package in PACKAGES[image]:
        yield package
        paths = importlib.import_module(package).__path__
        yield from (found.name for found in pkgutil.walk_packages(paths, f"{package}."))


def is_there(module: str) -> bool:
    """Whether a module could be imported."""
    parents = module.split(".")[:-1]
    return all(is_there(".".join(parents[: n + 1])) for n in range(len(parents))) and (
        importlib.util.find_spec(module) is not None
    )


def programs() -> Iterator[Path]:
    """The programs and libraries of the image."""
    for root in ("/usr", "/venv"):
        for directory, _, names in os.walk(root):
            for name in names:
                path = Path(directory, name)
                if ".so" in name or path.parent == Path("/usr/bin"):
                    yield path


def check_libraries(program: Path) -> None:
    """Ask the dynamic linker whether it finds every library."""
    with program.open("rb") as content:
        if content.read(4) != b"\x7fELF":
            return
    listing = subprocess.run([LINKER, "--list", program], capture_output=True, text=True, check=False).stdout
    if "not found" in listing:
        raise SmokeError(f"{program}:\n{listing}")


def check_libtorrent() -> None:
    """Open a session and read a magnet link: 2.1 or later, for 2.0 maps files into memory."""
    libtorrent = importlib.import_module("libtorrent")
    if tuple(int(part) for part in libtorrent.__version__.split(".")[:2]) < (2, 1):
        raise SmokeError(f"libtorrent is {libtorrent.__version__}; 2.1 or later is needed")
    session = libtorrent.session({"enable_dht": False, "enable_lsd": False, "listen_interfaces": ""})
    if libtorrent.parse_magnet_uri(f"magnet:?xt=urn:btih:{'a' * 40}").info_hashes.has_v1() is not True:
        raise SmokeError("libtorrent reads no magnet link")
    session.pause()


def check_record() -> None:
    """Compare what the image has recorded of FFmpeg's version with what FFmpeg says."""
    engine = importlib.import_module("workers.transcode.engine")
    size, line = Path(engine.RECORD).read_text().splitlines()
    if int(size) != Path("/usr/bin/ffmpeg").stat().st_size or line != run("ffmpeg", "-version").splitlines()[0]:
        raise SmokeError(f"{engine.RECORD} tells of another FFmpeg")


def check_ffmpeg() -> None:
    """Encode two seconds the way the worker does (x264 and AAC to fMP4 segments) and count the frames."""
    with tempfile.TemporaryDirectory() as scratch:
        playlist = Path(scratch, "media.m3u8")
        sources = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2"]
        codecs = ["-vf", "scale=160:90,format=yuv420p", "-c:v", "libx264", "-c:a", "aac"]
        packaging = ["-f", "hls", "-hls_time", "1", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod"]
        run("ffmpeg", "-nostdin", "-v", "error", *sources, *codecs, *packaging, str(playlist))
        counting = ["-v", "error", "-count_frames", "-select_streams", "v", "-of", "csv=p=0"]
        counted = run("ffprobe", *counting, "-show_entries", "stream=nb_read_frames", str(playlist))
        if set(counted.split()) != {"50"}:  # told once for the stream and once for its programme
            raise SmokeError(f"FFmpeg made {counted.split()} frames of 50")


def run(*argv: str) -> str:
    """The standard output of a program that has to succeed."""
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout


if __name__ == "__main__":
    sys.exit(main())
