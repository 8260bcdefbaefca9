"""Every text of the model's page, in every language it is written in: key to (English, Korean).

What others wrote (class and file names, the readers' and the doctor's own sentences) stays as it is.
"""

from topwork.report._catalogue import _advice, _measured, _names, _page, _seen

TEXTS: dict[str, tuple[str, str]] = _page.TEXTS | _measured.TEXTS | _advice.TEXTS | _seen.TEXTS
"""By their keys."""

NAMES = _names.TEXTS
"""By what topwork says in English."""
