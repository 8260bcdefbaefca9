"""The command line: parse, call the library, print. ``main`` is the program ``topwork``."""

from topwork.cli._app import main

__all__ = ["main"]
