"""This package's own commands, called from tests: the child becomes root where it must, the test process need not."""

import json
import subprocess
import sys
from collections import deque
from pathlib import Path

from tests.cluster import paths
from tests.cluster.errors import ClusterError
from tests.cluster.privilege import cluster_command
from tests.cluster.shell import TAIL_LINES, tail


def call(*arguments: str | Path) -> str:
    """The standard output of `python -m tests.cluster ARGUMENTS`; its progress is passed on as it comes.

    Its time is bounded by the limits of its own steps.

    Raises:
        ClusterError: it failed; the message ends with its last lines.
    """
    last: deque[str] = deque(maxlen=2 * TAIL_LINES)
    with subprocess.Popen(
        cluster_command(*arguments),
        cwd=paths.REPOSITORY,
        stdin=None,  # sudo may have to ask
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        for line in child.stderr:
            last.append(line)
            sys.stderr.write(line)
        output = child.stdout.read()
    if child.returncode != 0:
        raise ClusterError(
            f"python -m tests.cluster {arguments[0]} ended with {child.returncode}:\n{tail(''.join(last), 2 * TAIL_LINES)}"
        )
    return output


def image_archives(*names: str) -> dict[str, Path]:
    """The archives of images (`operator`, `download`, `transcode`, `minio`, `base`), built where missing or outdated.

    Raises:
        ClusterError: an image does not build.
    """
    return {name: Path(archive) for name, archive in json.loads(call("images", "--json", *names)).items()}
