"""Mail that waits for other servers."""

from mail.queue.model import Config, SiteSummary, Summary
from mail.queue.queue import Queue, summarise

__all__ = ["Config", "Queue", "SiteSummary", "Summary", "summarise"]
