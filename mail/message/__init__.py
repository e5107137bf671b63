"""A message's structure, computed once, when it is accepted."""

from mail.message.structure import Part, Structure, scan

__all__ = ["Part", "Structure", "scan"]
