"""A FUSE mount that nobody answers, in a mount namespace of a command's own, so that nothing else of this machine ever meets it.

    unshare --mount --propagation private python -m tests.lab.silent {hung|dead} FOLDER COMMAND...

hung: its process is there and says nothing; dead: its process is gone (mount(2), `fd=` of fuse in the kernel's documentation).
"""

import ctypes
import os
import subprocess
import sys


def mounted(folder: str) -> int:
    """Mount there; the descriptor by which a process would answer."""
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # a folder's name as it was given
    descriptor = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={descriptor},rootmode=40000,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"silent", folder.encode(), b"fuse.silent", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)
    return descriptor


if __name__ == "__main__":
    how, folder, *command = sys.argv[1:]
    descriptor = mounted(folder)
    if how == "dead":
        os.close(descriptor)
    sys.exit(subprocess.run(command, check=False).returncode)
