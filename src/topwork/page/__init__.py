"""The page on which a model is tried: drop, paste or photograph, and see the answer. In: facts of models. Out: HTML.

The server gives it at ``/``; a web export is the same page without a server. Its modules are plain JavaScript, in
``static/``: ``page.js`` asks ``server.js`` or ``web.js``, which have the same functions, and shows what they say.
"""

from topwork.page._facts import OFFERED, critical_facts, model_facts, web_facts
from topwork.page._page import POLICY, WEB_POLICY, Answers, page_html, static_files

__all__ = [
    "OFFERED",
    "POLICY",
    "WEB_POLICY",
    "Answers",
    "critical_facts",
    "model_facts",
    "page_html",
    "static_files",
    "web_facts",
]
