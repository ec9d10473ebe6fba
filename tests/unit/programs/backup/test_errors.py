"""Errors as a person reads them."""

import errno
import os

import pytest

from portable.programs.backup.errors import BackupError, UnchangedError, reason


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/backups"), "/backups: no space is left"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("odd"), "odd"),
        (BackupError("why"), "why"),
    ],
)
def test_a_reason_is_one_line_with_the_file(error: BaseException, text: str) -> None:
    assert reason(error) == text


def test_who_catches_the_general_error_catches_that_nothing_changed() -> None:
    assert issubclass(UnchangedError, BackupError)
