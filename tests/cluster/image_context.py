"""Which files of the repository a Dockerfile takes into its images: the ones whose change asks for a new build."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.errors import ClusterError

_IGNORED = frozenset({"__pycache__", ".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"})
_MOUNT = re.compile(r"--mount=(\S*type=bind\S*)")


def context_files(repository: Path) -> list[Path]:
    """The Dockerfile, .dockerignore and every file named by COPY, ADD or a bind mount, sorted.

    Raises:
        ClusterError: there is no Dockerfile, or it copies a file that does not exist.
    """
    dockerfile = repository / "Dockerfile"
    if not dockerfile.is_file():
        raise ClusterError(f"{dockerfile} is missing: it holds the targets of the images")
    found = {dockerfile}
    if (repository / ".dockerignore").is_file():
        found.add(repository / ".dockerignore")
    for source in _sources(dockerfile.read_text()):
        matches = [repository] if source in {".", "./"} else list(repository.glob(source.strip("/")))
        if not matches:
            raise ClusterError(f"{dockerfile} copies {source}, which is not in the repository")
        for match in matches:
            found.update(_files(match))
    return sorted(found)


def _sources(dockerfile: str) -> Iterator[str]:
    """The sources of the context, as the Dockerfile writes them; those of other stages (`from=`) are not."""
    joined = re.sub(r"\\\n(\s*#.*\n)*", " ", dockerfile)
    for line in joined.splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction.upper() in {"COPY", "ADD"} and "--from=" not in rest:
            without_flags = re.sub(r"^(\s*--\S+)+\s+", "", rest).strip()
            words = json.loads(without_flags) if without_flags.startswith("[") else without_flags.split()
            yield from words[:-1]
        elif instruction.upper() == "RUN":
            for mount in _MOUNT.findall(rest):
                options = dict(option.partition("=")[::2] for option in mount.split(","))
                if "from" not in options:
                    yield options.get("source") or options.get("src") or "."


def _files(path: Path) -> Iterator[Path]:
    """The files at and below a path, without what tools leave there."""
    if path.name in _IGNORED or path.suffix == ".pyc":
        return
    if path.is_dir():
        for entry in path.iterdir():
            yield from _files(entry)
    else:
        yield path
