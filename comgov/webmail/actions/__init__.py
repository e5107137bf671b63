"""What one does with mail in the browser: open and read, mark and move, write and send."""
