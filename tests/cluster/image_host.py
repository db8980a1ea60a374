"""What an image build borrows of the host, read-only and for the build only: certificates, apt and pip settings.

None of it enters an image. It is mounted while RUN steps run, below a /tmp that is the host's as well: a mount point
made in the image's own tree would stay there as an empty file or directory, in a /tmp of the host it does not (and
neither does what RUN steps leave in /tmp). apt and pip find it by two variables of the base image, which an image
built `FROM scratch` does not inherit.
"""

import configparser
import os
import re
from pathlib import Path

from tests.cluster.shell import run

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# The bundle, too, lies here and not over the image's: update-ca-certificates replaces that one by rename, which fails
# on a mount, and with it the installation of ca-certificates.
BUILD_DIRECTORY = "/tmp/narwhal-build"  # noqa: S108 - in the image's file system, not in a shared /tmp
VARIABLES = {"APT_CONFIG": f"{BUILD_DIRECTORY}/apt.conf", "PIP_CONFIG_FILE": f"{BUILD_DIRECTORY}/pip.conf"}

_APT_OPTIONS = re.compile(
    r"^Acquire::(http|https|Retries|ForceIPv4|ForceIPv6|Check-Valid-Until|Check-Date)\b.*;$",
    re.MULTILINE | re.IGNORECASE,
)
_PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "timeout", "proxy", "retries")


def volumes(scratch: Path) -> list[str]:
    """The `--volume` arguments of a build; `scratch`, which only root can enter, is filled with what they mount."""
    temporary, borrowed = scratch / "tmp", scratch / "host"
    temporary.mkdir()
    temporary.chmod(0o1777)
    borrowed.mkdir()
    if CA_BUNDLE.exists():
        (borrowed / "ca.crt").write_bytes(CA_BUNDLE.read_bytes())
    (borrowed / "apt.conf").write_text(_apt_settings())
    (borrowed / "pip.conf").write_text(_pip_settings())
    return ["--volume", f"{temporary}:/tmp", "--volume", f"{borrowed}:{BUILD_DIRECTORY}:ro"]


def _apt_settings() -> str:
    """The host's proxies and retries; no hooks, no sources: those name what only the host has."""
    found = [match[0] for match in _APT_OPTIONS.finditer(run(["apt-config", "dump"])) if "CAInfo" not in match[0]]
    return "\n".join([*found, f'Acquire::https::CAInfo "{BUILD_DIRECTORY}/ca.crt";', ""])


def _pip_settings() -> str:
    """The host's indexes and proxy, from pip's files and environment; the certificates are the mounted ones."""
    merged = {}
    files = ["/etc/pip.conf", *(str(Path.home() / place) for place in (".pip/pip.conf", ".config/pip/pip.conf"))]
    host = configparser.RawConfigParser()
    host.read([*files, os.environ.get("PIP_CONFIG_FILE") or os.devnull])  # the later wins; missing ones are passed over
    for option in _PIP_OPTIONS:
        if host.has_option("global", option):
            merged[option] = host.get("global", option)
        if given := os.environ.get(f"PIP_{option.upper().replace('-', '_')}"):
            merged[option] = given
    merged["cert"] = f"{BUILD_DIRECTORY}/ca.crt"
    return "\n".join(["[global]", *(f"{option} = {value}" for option, value in merged.items()), ""])
