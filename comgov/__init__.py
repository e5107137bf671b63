"""comgov."""
