"""A message's structure, computed once, when it is accepted."""

from mail.message.part import Part, Place
from mail.message.structure import Structure, scan

__all__ = ["Part", "Place", "Structure", "scan"]
