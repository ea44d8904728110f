"""Plotly for the page: whole, as the installed package has it, and small enough to be sent by mail.

The package brings one bundle, of every kind of chart there is, 4.8 MB, and not the basic one. Packed it takes 1.8 MB,
and the page unpacks it with what every browser since 2023 has.
"""

import base64
import gzip
from functools import cache

from plotly.offline import get_plotlyjs

_AS_PYTHON, _IN_HTML = b"<&", b",."
"""Base 85 has characters that HTML reads; two that it leaves out stand for them."""


def script() -> str:
    """The bundle, as the page runs it."""
    return get_plotlyjs()


@cache  # it takes a third of a second
def packed() -> str:
    """The bundle as text that HTML leaves alone: gzip in base 85, the same bytes every time; page.js unpacks it."""
    squeezed = gzip.compress(script().encode(), 9, mtime=0)
    return base64.b85encode(squeezed).translate(bytes.maketrans(_AS_PYTHON, _IN_HTML)).decode()
