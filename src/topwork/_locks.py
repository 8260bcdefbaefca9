"""The system's own locks on open files: they end with the process that holds them, however it ends."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt

    def take(file: int, *, shared: bool = False, wait: bool = False) -> bool:
        """Lock an open file, see below; a shared lock is none here, where an open file cannot be deleted anyway."""
        try:
            if not shared:
                msvcrt.locking(file, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def take(file: int, *, shared: bool = False, wait: bool = False) -> bool:
        """Lock an open file or folder until it is closed; False where another one, of this process too, has it.

        Args:
            file: A descriptor.
            shared: Whether others may have a shared lock too.
            wait: Whether to wait until it is free.

        Raises:
            OSError: There are no locks on this file system.
        """
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True
