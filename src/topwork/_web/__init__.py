"""What comes from the web in one file: a download that goes on where it broke off, and an archive unpacked safely.

Private to topwork: the rooms import these names from here.
"""

from topwork._web._download import RemoteFile, download, is_offline, remember
from topwork._web._unpack import is_archive, lift, unpack

__all__ = ["RemoteFile", "download", "is_archive", "is_offline", "lift", "remember", "unpack"]
