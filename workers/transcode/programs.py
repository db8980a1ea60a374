"""The programs a worker needs."""

import shutil

from narwhal_operator.contract.outcome import Reason, WorkError


def require(*programs: str) -> None:
    """Raises WorkError(ProgramMissing) when one of the programs is not on PATH."""
    for program in programs:
        if shutil.which(program) is None:
            package = {"setpriv": "util-linux", "nice": "coreutils"}.get(program, "ffmpeg")
            message = f"The program {program} is not on PATH. Install it: apt-get install {package}."
            raise WorkError(Reason.PROGRAM_MISSING, message)
