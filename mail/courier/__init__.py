"""Takes mail to other servers and says what became of each recipient."""

from mail.courier.budget import Budget
from mail.courier.remote import Attempt, Courier, Visit
from mail.courier.session import Config, Content, Parcel

__all__ = ["Attempt", "Budget", "Config", "Content", "Courier", "Parcel", "Visit"]
