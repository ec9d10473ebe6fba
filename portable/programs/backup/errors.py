"""Errors and their texts for people."""

import errno


class BackupError(Exception):
    """A command cannot be carried out; the text says why."""


class UnchangedError(BackupError):
    """A restore failed before it changed any state of the app, so the app may run."""


def reason(error: BaseException) -> str:
    """Describe an error in one line, with the file's name if it has one."""
    if isinstance(error, OSError) and error.strerror:
        texts = {
            errno.ENOSPC: "no space is left",
            errno.EDQUOT: "the quota is used up",
            errno.ELOOP: "it is a symbolic link, which is not followed",
        }
        text = texts.get(error.errno or 0, error.strerror)
        return f"{error.filename}: {text}" if error.filename is not None else text
    return str(error)
