"""The players' libraries: hls.js and dash.js of the lock file, from the cache; hack/setup-players puts them there."""

import subprocess
from pathlib import Path
from typing import Final

SETUP: Final = Path(__file__).resolve().parents[2] / "hack/setup-players"


def libraries() -> Path:
    """The directory with hls.min.js and dash.all.min.js."""
    done = subprocess.run([SETUP], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return Path(done.stdout.strip())
