"""A message's structure, computed once, when it is accepted."""

from mail.message.part import Part
from mail.message.structure import Structure, scan

__all__ = ["Part", "Structure", "scan"]
