"""Which language a text of Latin letters is in, by its most frequent words. A guess that would rather say nothing."""

from __future__ import annotations

_WORDS = {
    "English": "the and of to is that it for with was this are you have not my what how a as do no in on an at we i me",
    "German": "der die das und nicht ein eine zu mit den von ich auf für dem es auch wie war sich aber wir",
    "French": "le la les des et est un une du que dans pour qui pas sur avec il je vous ce nous sont mais très",
    "Spanish": "el la los las de y que en un una es por con para no se del lo como muy pero más está son",
    "Italian": "il la di che un una per non con del della è sono le si ma ho molto come gli nel questo",
    "Portuguese": "os as de que em um uma para com não é do da no na muito mas mais foi são está",
    "Dutch": "de het een en van is dat op niet met voor zijn ik maar ook wij er aan naar was heeft",
}
_OF = {name: frozenset(words.split()) for name, words in _WORDS.items()}

LANGUAGES = tuple(_WORDS)
"""Languages that are told apart."""

_LEAST, _TIMES = 4, 2  # different words of a language that a text must have, and times as many as of any other


def language_of(text: str) -> str:
    """The language of a text; empty where it is another one, or cannot be told."""
    words = set(text.lower().split())
    found = sorted(((len(words & known), name) for name, known in _OF.items()), reverse=True)
    (most, name), (second, _) = found[:2]
    return name if most >= _LEAST and most >= _TIMES * second else ""
