"""Mailboxes: what has arrived, and what one does with it."""

from mail.mailbox.mailboxes import Mailboxes
from mail.mailbox.model import Content, Flag, Mailbox, Message, Page, Part, SpecialUse

__all__ = ["Content", "Flag", "Mailbox", "Mailboxes", "Message", "Page", "Part", "SpecialUse"]
