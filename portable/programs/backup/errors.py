"""Errors as a person reads them."""

import errno


class BackupError(Exception):
    """Why a command cannot be carried out."""


class UnchangedError(BackupError):
    """A restore failed before it changed any state of the app, so the app may run."""


def reason(error: BaseException) -> str:
    """One line that says what went wrong, with the file's name where there is one."""
    if isinstance(error, OSError) and error.strerror:
        words = {errno.ENOSPC: "no space is left", errno.EDQUOT: "the quota is used up", errno.ELOOP: "it is a link, and is not followed"}
        text = words.get(error.errno or 0, error.strerror)
        return f"{error.filename}: {text}" if error.filename is not None else text
    return str(error)
