"""The programs a cluster is made of: built from pinned Go modules or taken from pinned wheels, cached by version."""

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import paths
from tests.cluster.errors import ClusterError
from tests.cluster.locks import locked
from tests.cluster.shell import run, say

# The newest `go` line among hack/cluster/*/go.mod; an older Go on PATH is passed over for the wheel.
GO_NEEDED = (1, 26)
BUILD_TIMEOUT = 3600  # seconds; the servers take 5 minutes on two cores


@dataclass(frozen=True)
class GoModule:
    """A directory of hack/cluster and what to build in it."""

    name: str
    module: str  # the requirement whose version names the cache entry; empty: the module's own code
    packages: dict[str, str]  # binary -> package
    variables: dict[str, str] = field(default_factory=dict)  # -X; {version} is the requirement's
    manifests: str = ""  # a directory of the requirement, kept beside the binaries

    @property
    def directory(self) -> Path:
        """The sources: go.mod, go.sum and, where the build is our own, the main package."""
        return paths.MODULES / self.name

    @property
    def version(self) -> str:
        """The pinned version, as go.mod has it."""
        if not self.module:
            return "v0"
        pattern = rf"^\s*(?:require )?{re.escape(self.module)} (v\S+)"
        found = re.search(pattern, (self.directory / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise ClusterError(f"{self.directory}/go.mod does not require {self.module}")
        return found[1]

    @property
    def flags(self) -> str:
        """The linker's flags: no debug tables, and the version the program tells."""
        sets = [f"-X {name}={value.format(version=self.version)}" for name, value in self.variables.items()]
        return " ".join(["-s", "-w", *sets])


_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
_VERSION = "k8s.io/component-base/version"
_ARGO = "github.com/argoproj/argo-workflows"
GO_MODULES = {
    module.name: module
    for module in (
        GoModule(
            "kubernetes",
            "k8s.io/kubernetes",
            {name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES},
            # Clients judge the server by these; unset it calls itself v0.0.0-master.
            {f"{_VERSION}.gitVersion": "{version}", f"{_VERSION}.gitMajor": "1", f"{_VERSION}.gitMinor": "35"},
        ),
        GoModule("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}),
        GoModule("coredns", "github.com/coredns/coredns", {"coredns": "."}),
        GoModule("pause", "", {"pause": "."}),
        GoModule("minio", "github.com/minio/minio", {"minio": "github.com/minio/minio"}),
        GoModule("helm", "helm.sh/helm/v3", {"helm": "helm.sh/helm/v3/cmd/helm"}),
        GoModule("kind", "sigs.k8s.io/kind", {"kind": "sigs.k8s.io/kind"}),
        GoModule(
            "argo",
            f"{_ARGO}/v3",
            {"workflow-controller": f"{_ARGO}/v3/cmd/workflow-controller"},
            {f"{_ARGO}/v3.version": "{version}"},
            manifests="manifests/base/crds/minimal",
        ),
        GoModule("kueue", "sigs.k8s.io/kueue", {"kueue": "sigs.k8s.io/kueue/cmd/kueue"}, manifests="charts/kueue"),
        GoModule(
            "kwok", "sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, manifests="kustomize/stage/pod/fast"
        ),
    )
}
# What the process cluster and its images need; kind is built only where Docker answers, the others where they are used.
ALWAYS = ("etcd", "kubernetes", "coredns", "pause", "helm", "minio")


def binary(name: str) -> Path:
    """The path of one program, built or fetched first where it is missing.

    Raises:
        ClusterError: the build or the download failed, or no such program is known.
    """
    if name == "kubectl":
        return _wheel("kubectl") / "bin" / "kubectl"
    for module in GO_MODULES.values():
        if name in module.packages:
            return _built(module) / name
    raise ClusterError(f"no Go module of hack/cluster builds {name}")


def manifests(module: str) -> Path:
    """What a Go module brings to be applied beside its program: CRDs, or a chart.

    Raises:
        ClusterError: the build failed.
    """
    return _built(GO_MODULES[module]) / "manifests"


def ensure_all() -> None:
    """Builds or fetches everything the process cluster needs."""
    for name in ALWAYS:
        _built(GO_MODULES[name])
    binary("kubectl")


def _built(module: GoModule) -> Path:
    """The directory of a module's binaries."""
    files = sorted(path for path in module.directory.iterdir() if path.is_file())
    digest = _digest(files, module.flags + module.manifests)
    return _cached(f"bin/{module.name}-{module.version}-{digest}", lambda target: _go_build(module, target))


def _go_build(module: GoModule, target: Path) -> None:
    say(f"building {', '.join(module.packages)} {module.version} (once; cached in {paths.cache_root()})")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", module.flags]
    argv: list[str | Path] = [_go(), "build", *flags, "-o", f"{target}/", *module.packages.values()]
    run(argv, env=environment, cwd=module.directory, timeout=BUILD_TIMEOUT)
    if module.manifests:
        place = run([_go(), "list", "-m", "-f", "{{.Dir}}", module.module], env=environment, cwd=module.directory)
        _copy(Path(place.strip()) / module.manifests, target / "manifests")
    if module.name == "etcd":  # its package is called server
        (target / "server").rename(target / "etcd")
    for name in module.packages:
        if not (target / name).is_file():
            raise ClusterError(f"go build in {module.directory} made no {name}")


def _copy(source: Path, target: Path) -> None:
    """Files only, not their modes: Go's module cache is read-only, and ours is swept."""
    for path in source.rglob("*"):
        if path.is_file():
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())


def _go() -> Path:
    """Go of PATH where it is new enough, else the one of the wheel."""
    found = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
    if found is not None:
        version = re.search(r"go(\d+)\.(\d+)", run([found, "version"], env={**os.environ, "GOTOOLCHAIN": "local"}))
        if version is not None and (int(version[1]), int(version[2])) >= GO_NEEDED:
            return Path(found)
    return _wheel("go") / "go" / "bin" / "go"


def _wheel(name: str) -> Path:
    """The directory a pinned wheel of hack/cluster/wheels is unpacked in."""
    pins = paths.MODULES / "wheels" / f"{name}.txt"
    version = pins.read_text().split("==")[1].split()[0]
    return _cached(f"wheels/{name}-{version}-{_digest([pins], '')}", lambda target: _unpack_wheel(pins, target))


def _unpack_wheel(pins: Path, target: Path) -> None:
    say(f"fetching the wheel of {pins.stem}")
    with tempfile.TemporaryDirectory() as scratch:
        # A venv of its own: ours may be made by uv, which brings no pip, and pins of ours are nobody else's.
        try:
            run([sys.executable, "-m", "venv", scratch], timeout=300)
        except ClusterError as error:
            raise ClusterError(f"{sys.executable} cannot make a venv: run hack/setup-machine demo\n{error}") from error
        pip = [f"{scratch}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--no-deps", "--only-binary=:all:", "--require-hashes", "--target", target, "-r", pins], timeout=900)


def _cached(entry: str, make: Callable[[Path], None]) -> Path:
    """A directory of the cache, made under another name and renamed when whole, so that nobody sees half of it."""
    target = paths.cache_root() / entry
    if target.is_dir():
        return target
    with locked(entry.replace("/", "-")):
        if target.is_dir():  # another process made it while we waited
            return target
        scratch = target.with_name(f".{target.name}")  # one name, so that a killed build's leavings are swept here
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        make(scratch)
        scratch.rename(target)
    return target


def _digest(files: list[Path], extra: str) -> str:
    """Twelve digits that change when one of the files or `extra` does."""
    state = hashlib.sha256(extra.encode())
    for path in files:
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()[:12]
