"""The command line: parse, call the library, print. ``main`` is the program ``topwork``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the program ``topwork``; a Ctrl-C before a command has begun ends it without a word."""
    try:
        from topwork.cli._app import main as run

        run()
    except KeyboardInterrupt:
        if "--debug" in sys.argv:
            raise
        sys.exit(130)  # what a shell expects of a program that a Ctrl-C ended
