"""One line of progress at a time, on stderr, flushed, so that a log can be watched."""

import sys
import time


def say(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)
