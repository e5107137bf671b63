"""What goes wrong while reading something that claims to be one of our formats."""

from __future__ import annotations

from comgov.errors import Invalid


class Malformed(Invalid):
    """Not of the form it claims: the sentence says where and what was expected."""
