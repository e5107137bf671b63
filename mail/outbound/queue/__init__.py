"""Mail that waits for other servers."""

from mail.outbound.queue.model import Config, SiteSummary, Summary
from mail.outbound.queue.queue import Queue, summarise

__all__ = ["Config", "Queue", "SiteSummary", "Summary", "summarise"]
