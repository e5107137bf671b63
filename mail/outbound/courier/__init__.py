"""Takes mail to other servers and says what became of each recipient."""

from mail.outbound.courier.budget import Budget
from mail.outbound.courier.remote import Attempt, Courier, Visit
from mail.outbound.courier.session import Config, Content, Parcel

__all__ = ["Attempt", "Budget", "Config", "Content", "Courier", "Parcel", "Visit"]
