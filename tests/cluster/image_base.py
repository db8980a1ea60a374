"""The base image: a minimal Debian by debootstrap, slimmed the way Debian's own slim images are."""

import os
import shutil
from pathlib import Path

from tests.cluster import image_host
from tests.cluster.image_store import Store
from tests.cluster.shell import PATH, run, say

RELEASE = "bookworm"

# Documentation is left out of what is there and of all that is installed later; licences stay (they must).
DPKG_EXCLUDES = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
"""
# A layer shall hold what was installed, not how: no archives, no caches, no translations, nothing but what is asked for.
APT_SETTINGS = """\
APT::Install-Recommends "false";
APT::Install-Suggests "false";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
"""
SLIMMED = (
    *(f"usr/share/{name}" for name in ("info", "lintian", "locale", "man")),
    *("var/cache", "var/log", "var/lib/apt/lists"),
)
UPGRADE = "apt-get -q update && apt-get -q -y dist-upgrade && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/*"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **image_host.VARIABLES}
# What the image's digest is made of.
RECIPE = "\n".join([RELEASE, DPKG_EXCLUDES, APT_SETTINGS, UPGRADE, str(ENVIRONMENT), *SLIMMED])


def build(store: Store, tag: str, scratch: Path, volumes: list[str]) -> None:
    """Builds the base image and gives it `tag`.

    `NARWHAL_DEBIAN_MIRROR` names another mirror than debootstrap's own (http://HOST/debian, with
    http://HOST/debian-security beside it); the image then names it, too.
    """
    say(f"building the base image: debootstrap {RELEASE} (once)")
    tree = scratch / "tree"
    mirror = [os.environ["NARWHAL_DEBIAN_MIRROR"]] if os.environ.get("NARWHAL_DEBIAN_MIRROR") else []
    run(["debootstrap", "--variant=minbase", RELEASE, tree, *mirror], timeout=1800)
    _slim(tree)
    container = store.buildah("from", "scratch").strip()
    mounted = store.buildah("mount", container).strip()
    run(["cp", "-a", f"{tree}/.", mounted], timeout=600)
    store.buildah("umount", container)
    shutil.rmtree(tree)
    settings = [word for name, value in ENVIRONMENT.items() for word in ("--env", f"{name}={value}")]
    store.buildah("config", *settings, "--cmd", "bash", container)
    isolation = ["--isolation", "chroot", "--network", "host", *volumes]
    store.buildah("run", *isolation, container, "--", "sh", "-ec", UPGRADE, timeout=1800)
    store.buildah("commit", "--rm", container, tag, timeout=600)


def _slim(tree: Path) -> None:
    """Takes out what an image does not need, and what debootstrap copied of this host."""
    (tree / "etc/dpkg/dpkg.cfg.d/narwhal-slim").write_text(DPKG_EXCLUDES)
    (tree / "etc/apt/apt.conf.d/narwhal-slim").write_text(APT_SETTINGS)
    main = (tree / "etc/apt/sources.list").read_text().split()[1]
    (tree / "etc/apt/sources.list").write_text(
        f"deb {main} {RELEASE} main\ndeb {main} {RELEASE}-updates main\ndeb {main}-security {RELEASE}-security main\n"
    )
    for host_file in ("etc/resolv.conf", "etc/hostname", "etc/machine-id"):
        (tree / host_file).write_text("")
    for place in SLIMMED:
        for entry in (tree / place).iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    keep_copyrights = "find usr/share/doc -depth ! -name copyright ! -type d -delete; find usr/share/doc -depth -type d -empty -delete"
    run(["sh", "-ec", keep_copyrights], cwd=tree, env={"PATH": PATH})
