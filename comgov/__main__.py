"""The program: `comgov`, or `python -m comgov`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line. A Ctrl-C while it is still being loaded ends it without a word."""
    interrupted = signal.getsignal(signal.SIGINT)
    if interrupted is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from comgov import cli

    signal.signal(signal.SIGINT, interrupted)
    cli.main()


if __name__ == "__main__":
    main()
