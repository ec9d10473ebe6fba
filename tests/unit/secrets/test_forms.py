"""Secrets in the form of one program."""

import pytest

from portable.secrets.forms import Form, written

QBITTORRENT = (
    "@ByteArray(XSjVK51C1qO0wBOmBFXFwg==:Jzp9xhaoi+GtTIYtmzbuFQ1JUceqP8XpfET++qQQrwg06ItLnoSkUm/NZ7E8MwQEv/QiaBMtoRbrUErsgTfhsQ==)"
)
"""Of `adminadmin`: another text has the app recreated in every place."""


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        ("adminadmin", "plain", "adminadmin"),
        ("", "plain", ""),
        ("adminadmin", "qbittorrent", QBITTORRENT),
        ("", "qbittorrent", ""),
    ],
)
def test_a_value_has_one_text_in_each_form(value: str, form: Form, text: str) -> None:
    assert written(value, form) == text
