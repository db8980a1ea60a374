"""A worker's interpreter that stands by: `python -m workers.standby MODULE…` imports, then waits to be told what to run.

Of MODULE:FUNCTION the function is called, without arguments, before the next is imported.

What it is to run comes as one line of JSON on standard input, the module and its arguments: `["workers.transcode", "--order",
"FILE"]`. The end of standard input without a line means that nothing is to be run. `narwhal run` starts one before it has
read its manifest: on two cores a worker begins half a second earlier.
"""

import gc
import importlib
import json
import os
import runpy
import sys
from typing import Final

LINE_LIMIT: Final = 64 * 1024


def main() -> None:
    """Imports what is named, waits, and becomes the worker it is told to be."""
    gc.disable()  # what is imported stays
    for name in sys.argv[1:]:
        module, _, function = name.partition(":")
        found = importlib.import_module(module)
        if function:
            getattr(found, function)()
    gc.enable()
    line = sys.stdin.buffer.readline(LINE_LIMIT)
    if not line.endswith(b"\n"):
        return
    module, *arguments = json.loads(line)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
