"""The one way in for every message, to here and elsewhere: checked, stamped, durable before it is acknowledged."""
