"""What every room needs of the system: files, locks, the cache, cores, memory, optional packages, and the executor.

Private to topwork: the rooms import these names from here, and nothing of it knows of images or networks.
"""

from topwork._system._cache import (
    cache_dir,
    cached,
    delete_file,
    delete_folder,
    last_use,
    make_room,
    size_limit,
    use,
    writing_cache,
)
from topwork._system._executor import Executor, available_cores
from topwork._system._files import (
    fault_of_place,
    file_written_whole,
    folder_size,
    is_being_replaced,
    restored,
    sha256_of,
    take,
    write_whole,
    written_whole,
)
from topwork._system._kept import kept
from topwork._system._marks import CHECKPOINT, PICTURE_HEAD, PICTURE_MARK, is_own_picture
from topwork._system._memory import freed_memory_kept, release_pages
from topwork._system._optional import WITH_TORCH, has_module, has_torch, optional, quiet, require_torch
from topwork._system._precision import PRECISION_VARIABLE, uses_bf16
from topwork._system._waiting import free_cores, wait_considerately

__all__ = [
    "CHECKPOINT",
    "PICTURE_HEAD",
    "PICTURE_MARK",
    "PRECISION_VARIABLE",
    "WITH_TORCH",
    "Executor",
    "available_cores",
    "cache_dir",
    "cached",
    "delete_file",
    "delete_folder",
    "fault_of_place",
    "file_written_whole",
    "folder_size",
    "free_cores",
    "freed_memory_kept",
    "has_module",
    "has_torch",
    "is_being_replaced",
    "is_own_picture",
    "kept",
    "last_use",
    "make_room",
    "optional",
    "quiet",
    "release_pages",
    "require_torch",
    "restored",
    "sha256_of",
    "size_limit",
    "take",
    "use",
    "uses_bf16",
    "wait_considerately",
    "write_whole",
    "writing_cache",
    "written_whole",
]
