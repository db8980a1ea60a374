"""Collects the file system of an image: programs, the libraries they load, and whose they are.

    rootfs.py --into DIR [--beneath DIR] PATH ...

Runs in a build stage of the Dockerfile, on Debian. Each PATH (a file or a tree) is copied to its place below `--into`, with
every shared library the dynamic linker loads for it, found by `ldd`. What an image has no use for is left behind: package
managers, shells, documentation, drivers that FFmpeg's libraries open on machines with a display. Files already in
`--beneath`, the layer under this one, are not repeated. Of each Debian package that a file comes from, the licence
and the package record are kept: the record where scanners look for it in images without dpkg (/var/lib/dpkg/status.d).
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

STDLIB: Final = Path("/usr/lib/python3.11")
LEFT_OUT: Final = frozenset(
    {
        # build and packaging
        "ensurepip", "lib2to3", "distutils", "venv", "config-3.11-x86_64-linux-gnu", "config-3.11-aarch64-linux-gnu",
        "EXTERNALLY-MANAGED", "dist-packages", "__pycache__",
        # for people at a terminal or a display
        "idlelib", "pydoc_data", "tkinter", "turtle.py", "turtledemo", "curses", "sqlite3", "dbm",
        # tests
        "test", "unittest", "doctest.py",
        # Debian's hook for crash reports: a link into /etc
        "sitecustomize.py",
    }
)  # fmt: skip
EXTENSIONS_LEFT_OUT: Final = re.compile(
    r"^(_tkinter|_curses\w*|_dbm|_gdbm|_sqlite3|nis|ossaudiodev|readline|audioop|_test\w+|_ctypes_test|_?xx\w+)\."
)
"""Extension modules of terminals, displays, sound cards, databases and CPython's own tests: each brings libraries."""

EXPECTED: Final = (
    *("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6"),
)
"""What a manylinux wheel may expect of a system (PEP 600); glibc opens libgcc_s itself, too, when a thread ends."""


class MissingLibraryError(Exception):
    """A file of the image needs a library that is not there."""


class MissingLicenceError(Exception):
    """A package may not be shipped without its licence."""


def main() -> int:
    """Collect what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--beneath", type=Path)
    parser.add_argument("paths", type=Path, nargs="+")
    arguments = parser.parse_args()
    into: Path = arguments.into
    copied = {path for root in arguments.paths for path in copy(root, into)}
    copied |= copy_libraries([into / path.relative_to("/") for path in copied], into)
    if arguments.beneath is not None:
        drop_repeated(into, arguments.beneath)
    record_packages(copied, into)
    print(f"{into}: {size_of(into) / 1e6:.1f} MB", file=sys.stderr)
    return 0


def copy(root: Path, into: Path) -> Iterator[Path]:
    """Copies a file, a link or a tree to its own place below `into`; yields what it copied."""
    for path in walk(root):
        target = into / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
        yield path


def walk(root: Path) -> Iterator[Path]:
    """The files and links of a tree, without what is left out of the standard library."""
    if root.is_symlink() or not root.is_dir():
        yield root
        return
    for path in sorted(root.iterdir()):
        if path.parent == STDLIB and path.name in LEFT_OUT:
            continue
        if path.parent == STDLIB / "lib-dynload" and EXTENSIONS_LEFT_OUT.match(path.name):
            continue
        yield from walk(path)


def copy_libraries(files: Iterable[Path], into: Path) -> set[Path]:
    """Copies every library the dynamic linker loads for the files, where it looks for them; returns their paths here."""
    wanted = {library for file in files if is_elf(file) for library in libraries_of(file)}
    wanted |= {library for name in EXPECTED for library in Path("/usr/lib").glob(f"*/{name}")}
    for library in wanted:
        # /lib is a link to /usr/lib (merged /usr); a library chosen by alternatives is a link out of its directory.
        target = into / (library.parent.resolve() / library.name).relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, target)
    return {library.resolve() for library in wanted}


def is_elf(file: Path) -> bool:
    """Whether a file is a program or a library."""
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as content:
        return content.read(4) == b"\x7fELF"


def libraries_of(file: Path) -> Iterator[Path]:
    """The libraries a file needs, and theirs, as the dynamic linker finds them here; raises MissingLibraryError."""
    listing = subprocess.run(["/usr/bin/ldd", str(file)], capture_output=True, text=True, check=False).stdout
    if "not found" in listing:
        raise MissingLibraryError(f"{file}:\n{listing}")
    yield from (Path(match) for match in re.findall(r"(/\S+) \(0x", listing) if not Path(match).is_relative_to("/venv"))


def drop_repeated(into: Path, beneath: Path) -> None:
    """Removes the files that the layer beneath has already."""
    for path in [path for path in into.rglob("*") if path.is_file() and not path.is_symlink()]:
        if (beneath / path.relative_to(into)).is_file():
            path.unlink()


def record_packages(copied: Iterable[Path], into: Path) -> None:
    """Keeps the licence and the record of each Debian package a file comes from; raises MissingLicenceError."""
    records = into / "var/lib/dpkg/status.d"
    records.mkdir(parents=True, exist_ok=True)
    for package in sorted(packages_of(copied)):
        name = package.split(":")[0]
        (records / name).write_text(dpkg_query("-s", package))
        target = into / "usr/share/doc" / name / "copyright"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(licence_of(package), target)


def licence_of(package: str) -> Path:
    """The licence of a package: its own, or that of a package of the same source, which it links to (libgcc-s1)."""
    source = dpkg_query("-W", "-f", "${source:Package}", package)
    kin = dpkg_query("-W", "-f", "${binary:Package} =${source:Package}=\n").splitlines()
    names = [package, *(line.split()[0] for line in kin if line.endswith(f"={source}="))]
    licences = [Path("/usr/share/doc", name.split(":")[0], "copyright") for name in names]
    found = next((licence for licence in licences if licence.exists()), None)
    if found is None:
        raise MissingLicenceError(f"{package} (source {source}) has no copyright file")
    return found


def dpkg_query(*arguments: str, check: bool = True) -> str:
    """The output of dpkg-query."""
    return subprocess.run(["/usr/bin/dpkg-query", *arguments], capture_output=True, text=True, check=check).stdout


def packages_of(paths: Iterable[Path]) -> set[str]:
    """The Debian packages that own the files; dpkg knows some by their place before /usr was merged."""
    names = [
        name for path in paths for name in (str(path), str(path).removeprefix("/usr")) if not name.startswith("/venv")
    ]
    found = dpkg_query("-S", *names, check=False)  # it fails when it knows one of two names of a file, too
    return {line.rsplit(": ", 1)[0] for line in found.splitlines() if not line.startswith("diversion ")}


def size_of(root: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    sys.exit(main())
