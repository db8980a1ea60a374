"""The command line itself: help, usage errors, manifests that are refused before anything starts."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from narwhal_operator.contract.reasons import TABLE, Reason
from tests.integration.cli.shell import Shell, download, secret
from tests.support.origin import Origin

URL = "https://origin.example/film.mp4"
PROGRAM: Final = Path(sys.executable).with_name("narwhal")
INVALID = TABLE[Reason.INVALID_ORDER].code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("run",), "--file", id="no file"),
        pytest.param(("run", "-f", "missing.yaml"), "missing.yaml: No such file or directory", id="no such file"),
        pytest.param(("run", "-f", "."), "-f .: Is a directory", id="a directory as file"),
        pytest.param(("run", "-f", "film.yaml", "-o", "xml"), "json", id="no such output"),
        pytest.param(("run", "-f", "film.yaml", "--store", "gs://x"), "other schemes", id="no such scheme"),
        pytest.param(("run", "-f", "film.yaml", "--store", "film.yaml"), "name a directory", id="a file as store"),
        pytest.param(("run", "-f", "film.yaml", "--stroe", "x"), "--store", id="misspelt option"),
        pytest.param(("rnu",), "run", id="misspelt command"),
        pytest.param(("explain", "InputDamagd"), "did you mean InputDamaged", id="misspelt reason"),
    ],
)
def test_a_usage_error_ends_with_2_and_says_the_mend(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    """As of any command: 2, and what is known instead. Nothing is started, nothing is traced back."""
    shell.write(download("bbb", URL))
    ran = shell.run(*arguments)
    assert ran.code == 2
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_a_bad_network_is_a_usage_error(shell: Shell) -> None:
    """The variable is named and the form is shown."""
    ran = shell.run("run", "-f", shell.write(download("bbb", URL)), NARWHAL_ALLOWED_NETWORKS="10.0.0.0/8,lan")
    assert ran.code == 2
    assert "NARWHAL_ALLOWED_NETWORKS: 'lan' is no network; write CIDRs" in ran.err


def test_missing_credentials_are_told_before_anything_starts(shell: Shell) -> None:
    """--store s3:// without keys: where to put them."""
    ran = shell.run("run", "-f", shell.write(download("bbb", URL)), "--store", "s3://127.0.0.1:9")
    assert ran.code == TABLE[Reason.SECRET_NOT_FOUND].code
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in ran.err
    assert ran.lines[0]["error"]["reason"] == "SecretNotFound"


def test_a_wrong_manifest_starts_nothing(shell: Shell, origin: Origin) -> None:
    """All mistakes of all documents come at once, for people and for programs, and no document is run."""
    right, wrong = download("right", origin.url("/film.mp4")), download("wrong", "ftp://x/y", conections=2)
    ran = shell.apply(right, wrong, {"kind": "Pod"})
    assert ran.code == INVALID
    head, *lines = ran.err.splitlines()
    assert head == "error: film.yaml: InvalidOrder: 3 mistakes, nothing was started"
    text = (shell.home / "film.yaml").read_text().splitlines()
    where = {word: next(n for n, line in enumerate(text, 1) if word in line) for word in ("conec", "ftp:", "Pod")}
    assert sorted(line.split(":")[0] for line in lines) == sorted(
        [
            f"  document 2, DownloadJob/wrong, line {where['conec']}",
            f"  document 2, DownloadJob/wrong, line {where['ftp:']}",
            f"  document 3, Pod, line {where['Pod']}",
        ]
    )
    (line,) = ran.lines
    assert line["error"]["reason"] == "InvalidOrder"
    assert [found["document"] for found in line["error"]["mistakes"]] == [2, 2, 3]
    assert origin.seen == []
    assert list(shell.store.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("kind: [\n", id="syntax"),
        pytest.param("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: hunter2!}\n", id="base64"),
        pytest.param("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\nhunter2: x\n", id="indentation"),
        pytest.param("secretAccessKey: *hunter2\n", id="alias"),
    ],
)
def test_a_refusal_shows_a_line_and_nothing_secret(shell: Shell, text: str) -> None:
    """The place is named by its line; what stands there is not shown."""
    ran = shell.run("run", "-f", "-", stdin=text)
    assert ran.code == INVALID
    assert "error: standard input: InvalidOrder: " in ran.err
    assert "line " in ran.err
    assert "hunter2" not in ran.out + ran.err


def test_secrets_alone_are_nothing_to_run(shell: Shell) -> None:
    """A manifest that asks for nothing is a mistake, not a success."""
    ran = shell.apply(secret("narwhal-storage", endpoint="http://x"))
    assert ran.code == INVALID
    assert "holds nothing to run" in ran.err


def test_help_shows_commands_options_and_examples(shell: Shell) -> None:
    """`narwhal --help`, `run --help`, `-h`, and no arguments at all."""
    assert all(word in shell.run("--help").out for word in ("run", "explain", "--version"))
    told = shell.run("run", "-h", COLUMNS="200").out
    words = ("--file", "--store", "--allow-private", "--output", "AWS_ACCESS_KEY_ID", "NARWHAL_ALLOWED_NETWORKS")
    assert [word for word in (*words, "narwhal run -f film.yaml --store ./media") if word not in told] == []
    assert "Usage" in shell.run().out + shell.run().err


def test_the_version_is_the_package_s(shell: Shell) -> None:
    """`narwhal --version`."""
    assert shell.run("--version").out == f"narwhal {version('narwhal-operator')}\n"


def test_a_shell_completes_commands(shell: Shell) -> None:
    """What `narwhal --install-completion` sets up asks the program itself."""
    asked = {"_NARWHAL_COMPLETE": "complete_bash", "COMP_WORDS": "narwhal ex", "COMP_CWORD": "1"}
    environment = {**shell.environment, **asked}
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["explain"]


def test_both_programs_are_installed() -> None:
    """`narwhal` and, for kubectl, `kubectl-narwhal`."""
    for name in ("narwhal", "kubectl-narwhal"):
        done = subprocess.run(
            [PROGRAM.with_name(name), "explain", "0"], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.startswith("Completed (exit code 0)")


def test_a_directory_of_the_user_does_not_shadow_the_workers(shell: Shell, origin: Origin) -> None:
    """A folder `workers` beside the manifest is the user's own."""
    (shell.home / "workers").mkdir()
    (shell.home / "workers/__init__.py").write_text("raise SystemExit(99)")
    (shell.home / "json.py").write_text("raise SystemExit(98)")
    manifest = shell.write(download("bbb", origin.url("/film.mp4")))
    argv = [str(PROGRAM), "run", "-f", manifest, "--store", "store", "--allow-private"]
    done = subprocess.run(argv, cwd=shell.home, env=shell.environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_bug_ends_in_one_line(shell: Shell) -> None:
    """Whatever breaks, a user sees a line and a code; the traceback is for those who ask for it."""
    argv = [
        sys.executable,
        "-c",
        "import narwhal_cli.__main__ as m; import narwhal_cli.app as a; a.app = lambda **_: {}['hunter2']; m.main()",
    ]
    for level, traced in (("INFO", False), ("DEBUG", True)):
        environment = {**shell.environment, "NARWHAL_LOG_LEVEL": level}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == TABLE[Reason.INTERNAL_ERROR].code
        assert ("Traceback" in done.stderr) is traced
        assert done.stderr.splitlines()[-1].startswith("error: InternalError: narwhal broke (KeyError); please report")


def test_explain_needs_no_cluster_and_no_worker(shell: Shell) -> None:
    """By name and by exit code."""
    for word in ("InputDamaged", "54"):
        told = shell.run("explain", word)
        assert told.code == 0
        assert told.out.startswith("InputDamaged (exit code 54)")
