"""Mailboxes: what has arrived, and what one does with it."""

from mail.mailbox.mailboxes import Mailboxes
from mail.mailbox.model import Content, Flag, Mailbox, Message, Page, SpecialUse
from mail.message import Part

__all__ = ["Content", "Flag", "Mailbox", "Mailboxes", "Message", "Page", "Part", "SpecialUse"]
