"""`python -m tests.cluster`: the process cluster and the images, by hand and from the Makefile.

Standard output holds results only (`export KUBECONFIG=$(python -m tests.cluster up)`); progress goes to standard error.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from tests.cluster import images, paths, process, second, toolchain
from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout
from tests.cluster.privilege import as_root, cluster_command, give_to_user
from tests.cluster.shell import say

# Set for the child that already is root in a mount namespace of its own.
INSIDE = "NARWHAL_CLUSTER_INSIDE"
NEED_ROOT = frozenset({"up", "down", "load", "images", "node"})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.cluster", description="A local Kubernetes of processes.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the cluster (or find it running) and print the path of its KUBECONFIG")
    up.add_argument("--user", type=int, metavar="PID", help="a test process; the cluster ends with the last one")
    down = commands.add_parser("down", help="stop it and remove all it made, also after a crash")
    down.add_argument("--user", type=int, metavar="PID", help="a test process; only if it was the last one")
    commands.add_parser("status", help="say what runs; ends with 1 when the cluster is not up")
    commands.add_parser("binaries", help="build or fetch the programs it is made of")
    built = commands.add_parser("images", help="build images and print their sizes")
    built.add_argument(
        "names", nargs="*", metavar="IMAGE", help=f"of {', '.join(images.NAMES)}; default: the project's"
    )
    built.add_argument("--json", action="store_true", help="print {name: archive} instead")
    load = commands.add_parser("load", help="import docker-archives into the cluster")
    load.add_argument("archives", nargs="+", type=Path, metavar="IMAGE.tar")
    other = commands.add_parser("node", help="a second node: add, freeze, thaw, remove")
    other.add_argument("what", choices=("add", "freeze", "thaw", "remove"))
    other.add_argument("archives", nargs="*", type=Path, metavar="IMAGE.tar", help="with add: images it is to have")
    return parser


def main() -> int:
    """Runs one command; 0 when it did what it says, 1 with a message on standard error otherwise."""
    arguments = _parser().parse_args()
    try:
        if arguments.command in NEED_ROOT and INSIDE not in os.environ:
            return _as_root(arguments.command)
        return _run(arguments)
    except ClusterError as error:
        say(f"tests.cluster: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _as_root(command: str) -> int:
    """Does the user's part, then becomes the root part, in a mount namespace of its own so that no mount is left."""
    if command in {"up", "images"}:
        toolchain.ensure_all()  # as the user: whoever owns the cache owns the binaries
    inside = ["unshare", "--mount", "--", "env", f"{INSIDE}=1", *cluster_command(*sys.argv[1:])]
    words = as_root(inside)
    os.chdir(paths.REPOSITORY)
    os.execvp(words[0], words)  # noqa: S606 - replaces this process on purpose: signals and exit code are the child's


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "up":
            sys.stdout.write(f"{process.up(arguments.user).kubeconfig}\n")
        case "down":
            process.down(arguments.user)
        case "binaries":
            toolchain.ensure_all()
        case "images":
            _images(arguments.names or list(images.PROJECT), as_json=arguments.json)
        case "load":
            process.load(archive.resolve() for archive in arguments.archives)
        case "node":
            _node(arguments.what, [archive.resolve() for archive in arguments.archives])
        case _:
            return _status()
    return 0


def _node(what: str, archives: list[Path]) -> None:
    match what:
        case "add":
            sys.stdout.write(f"{second.add(archives)}\n")
        case "freeze":
            second.freeze()
        case "thaw":
            second.thaw()
        case _:
            second.remove()


def _images(names: list[str], *, as_json: bool) -> None:
    archives = images.ensure(names)
    for archive in archives.values():
        give_to_user(archive)
    if as_json:
        sys.stdout.write(json.dumps({name: str(archive) for name, archive in archives.items()}) + "\n")
        return
    for name, archive in archives.items():
        sys.stdout.write(f"{images.tag(name):<40} {archive.stat().st_size / 1e6:7.1f} MB  {archive}\n")


def _status() -> int:
    layout = Layout(paths.run_directory())
    state = layout.read_state()
    if state is None:
        sys.stdout.write("down\n")
        return 1
    running = process.is_up(state)
    sys.stdout.write(f"{'up' if running else 'broken: run make cluster-down'}; KUBECONFIG={layout.kubeconfig}\n")
    return 0 if running else 1


if __name__ == "__main__":
    sys.exit(main())
