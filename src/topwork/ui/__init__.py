"""The page before there is a model: check data, mend them, watch the ladder, fit, try and export. Out: an app.

It is for one person at this machine: it listens on loopback alone, and whoever asks must have come by the address that
``run`` opens. What takes a while runs in a process of its own. Needs the extra ``serve``.
"""

from topwork.ui._run import run

__all__ = ["run"]
