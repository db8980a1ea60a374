"""What an image build borrows of the host, read-only and for the build only: certificates, apt and pip settings.

None of it enters an image: it is mounted while RUN steps run, from a directory only root can read (a proxy's or an
index's URL may hold a password).
"""

import configparser
import os
import re
from pathlib import Path

from tests.cluster.shell import run

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# In a directory of its own, not over the image's bundle: update-ca-certificates replaces that one by rename, which
# fails on a mount, and with it the installation of ca-certificates.
BUILD_DIRECTORY = "/run/narwhal-build"

_APT_OPTIONS = re.compile(r"^Acquire::(http|https|Retries|ForceIPv4|ForceIPv6|Check-Valid-Until|Check-Date)\b.*;$", re.MULTILINE | re.IGNORECASE)
_PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "timeout", "proxy", "retries")


def volumes(scratch: Path) -> list[str]:
    """The `--volume` arguments of a build; `scratch` is filled with the files they mount."""
    borrowed = scratch / "host"
    borrowed.mkdir(mode=0o700)
    arguments = []
    if CA_BUNDLE.exists():
        (borrowed / "ca.crt").write_bytes(CA_BUNDLE.read_bytes())
    for name, text, place in (
        ("apt.conf", _apt_settings(), "/etc/apt/apt.conf.d/00narwhal-build"),
        ("pip.conf", _pip_settings(), "/etc/pip.conf"),
    ):
        (borrowed / name).write_text(text)
        arguments += ["--volume", f"{borrowed / name}:{place}:ro"]
    return [*arguments, "--volume", f"{borrowed}:{BUILD_DIRECTORY}:ro"]


def _apt_settings() -> str:
    """The host's proxies and retries; no hooks, no sources: those name what only the host has."""
    found = [match[0] for match in _APT_OPTIONS.finditer(run(["apt-config", "dump"])) if "CAInfo" not in match[0]]
    return "\n".join([*found, f'Acquire::https::CAInfo "{BUILD_DIRECTORY}/ca.crt";', ""])


def _pip_settings() -> str:
    """The host's indexes and proxy, from pip's files and environment; the certificates are the mounted ones."""
    merged = {}
    files = ["/etc/pip.conf", Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf", os.environ.get("PIP_CONFIG_FILE", "")]
    host = configparser.RawConfigParser()
    host.read([file for file in files if file])
    for option in _PIP_OPTIONS:
        if host.has_option("global", option):
            merged[option] = host.get("global", option)
        if given := os.environ.get(f"PIP_{option.upper().replace('-', '_')}"):
            merged[option] = given
    merged["cert"] = f"{BUILD_DIRECTORY}/ca.crt"
    return "\n".join(["[global]", *(f"{option} = {value}" for option, value in merged.items()), ""])
