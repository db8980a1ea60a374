"""Whether the lock files fit pyproject.toml, told without a network: `python hack/check_locks.py`.

Each lock holds all that its extras ask for, in versions they allow, and nothing that nobody asks for; one version of a
package in all locks. What a package asks for is read from the one installed here, which is the locked one after
`make setup`. Compiling anew would tell more, but fail on the day a publisher adds a wheel to a release.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
_OWN: Final = "narwhal-operator"
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$", re.MULTILINE)
EXTRAS: Final = {
    "dev": (),  # all extras, and the group dev
    "operator": ("operator",),
    "download": ("download",),
    "torrent": ("download", "torrent"),
    "transcode": ("transcode",),
}
"""Lock file -> the extras it is made for (hack/lock)."""


def asked(project: dict[str, Any], lock: str) -> list[Requirement]:
    """What pyproject.toml asks for in a lock file."""
    extras = project["project"]["optional-dependencies"]
    names = EXTRAS[lock] or tuple(extras)
    texts = [*project["project"]["dependencies"], *(text for name in names for text in extras[name])]
    if lock == "dev":
        texts += project["dependency-groups"]["dev"]
    return [found for text in texts if canonicalize_name((found := Requirement(text)).name) != _OWN]


def pins(text: str) -> dict[str, tuple[str, str]]:
    """Package -> version and marker of a lock file."""
    return {canonicalize_name(name): (version, marker) for name, version, marker in _PIN.findall(text)}


def faults(lock: str, wanted: Iterable[Requirement], locked: dict[str, tuple[str, str]]) -> Iterator[str]:
    """What does not fit between what is asked for and what is locked."""
    queue = [(_OWN, requirement) for requirement in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while queue:
        asker, requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        if name not in locked:
            yield f"{lock}.lock lacks {requirement.name}, which {asker} asks for"
            continue
        if not requirement.specifier.contains(locked[name][0], prereleases=True):
            yield f"{lock}.lock has {name} {locked[name][0]}, but {asker} asks for {requirement}"
        if (name, frozenset(requirement.extras)) not in seen:
            seen.add((name, frozenset(requirement.extras)))
            queue += [(name, below) for below in _below(name, requirement.extras)]
    reached = {name for name, _ in seen}
    # What stands under a marker may be for another system, where other things ask for it.
    extra = [name for name, (_, marker) in locked.items() if name not in reached and not marker]
    yield from (f"{lock}.lock has {name}, which nothing asks for" for name in extra)


def _below(name: str, extras: set[str]) -> list[Requirement]:
    """What an installed package asks for on this system."""
    try:
        texts = requires(name) or []
    except PackageNotFoundError:
        return []
    found = [Requirement(text) for text in texts]
    environments = [{"extra": extra} for extra in (extras or {""})]
    return [one for one in found if one.marker is None or any(one.marker.evaluate(env) for env in environments)]


def disagreements(all_pins: dict[str, dict[str, tuple[str, str]]]) -> Iterator[str]:
    """Packages that one lock file has in another version than dev.lock."""
    for lock, locked in all_pins.items():
        for name, (version, _) in locked.items():
            dev = all_pins["dev"].get(name, (version, ""))[0]
            if dev != version:
                yield f"{lock}.lock has {name} {version}, dev.lock has {dev}"


def main() -> int:
    """Prints what does not fit and returns 1, or 0 when all does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    files = {path.stem for path in (ROOT / "requirements").glob("*.lock")}
    found = [f"requirements/{name}.lock is unknown to hack/check_locks.py" for name in sorted(files - EXTRAS.keys())]
    found += [f"requirements/{name}.lock is missing" for name in sorted(EXTRAS.keys() - files)]
    present = [lock for lock in EXTRAS if lock in files]
    locked = {lock: pins((ROOT / "requirements" / f"{lock}.lock").read_text()) for lock in present}
    for lock in present:
        found += faults(lock, asked(project, lock), locked[lock])
    found += disagreements(locked)
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print("run: make lock", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
