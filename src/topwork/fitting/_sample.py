"""The sample data set: 2,000 pictures of woven textile, without fault, with a local one, with a global one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from topwork.errors import MissingExtraError


def sample_folder() -> Path:
    """Folder of class folders that the package ``conformal-clip-data`` (MIT, arXiv 2501.12596) holds.

    Raises:
        MissingExtraError: The package is not installed.
    """
    if importlib.util.find_spec("conformal_clip_data") is None:
        raise MissingExtraError(
            "the sample data set is not installed", hint="pip install 'topwork[sample]' brings it (46 MB)"
        )
    import conformal_clip_data

    return Path(conformal_clip_data.textile_simulated_root())
