"""The documentation site's own part, a hook of mkdocs: pages made from the code join those of ``docs/``.

    mkdocs build --strict        # or: make docs

What is made: the commands with all their options, the public Python names, the errors, each in every language, and the
measured results of ``bench/results``. Nothing made is kept in the repository, so that it cannot grow old.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LANGUAGES = ("en", "ko")
HEADS = {
    "commands": {
        "en": ("Commands", "Made from the code. `topwork COMMAND --help` prints the same."),
        "ko": ("명령", "코드에서 만든 쪽입니다. `topwork 명령 --help --lang ko`가 같은 내용을 출력합니다."),
    },
    "python": {
        "en": ("Python", "The public names of each room, made from the docstrings."),
        "ko": ("파이썬", "패키지마다 공개된 이름을 독스트링에서 모은 쪽입니다. 독스트링은 영어로 쓰여 있습니다."),
    },
    "errors": {
        "en": (
            "Errors",
            "Everything topwork raises on purpose. Each has `message`, what is wrong, and `hint`, what to do about it. "
            "The command line prints them as `error: …` and `hint: …` and ends with 1; with 2 where the command line "
            "itself cannot be read, and with 0 when the work is done.",
        ),
        "ko": (
            "오류",
            "topwork가 일부러 내는 모든 오류입니다. `message`는 무엇이 잘못되었는지, `hint`는 무엇을 하면 되는지 말합니다. "
            "명령줄에서는 `error: …`와 `hint: …` 두 줄로 출력하고 종료 코드 1로 끝납니다. 명령줄 자체를 읽을 수 없으면 2, "
            "일을 마쳤으면 0입니다.",
        ),
    },
}
ERRORS = {
    "TopworkError": "모든 오류의 바탕입니다. 이것 하나로 전부 잡을 수 있습니다.",
    "DataError": "데이터 세트 전체를 쓸 수 없습니다.",
    "ImageError": "이미지 하나를 쓸 수 없습니다. 이미지가 아니거나, 손상되었거나, 안전하게 디코딩하기에 너무 큽니다.",
    "TextError": "텍스트 하나를 쓸 수 없습니다. 읽을 내용이 없거나 텍스트가 아닙니다.",
    "BackboneError": "백본의 이름을 알 수 없거나, 찾거나 검증하거나 실행할 수 없습니다.",
    "ModelError": "모델 폴더를 읽거나 쓸 수 없습니다.",
    "ExplainError": "이 방법으로는 네트워크를 들여다볼 수 없거나, 그림을 쓸 수 없습니다.",
    "ReportError": "보고서 페이지를 쓸 수 없습니다.",
    "TrainError": "학습을 시작하거나 이어 갈 수 없습니다.",
    "CheckpointError": "체크포인트를 쓰거나 읽을 수 없거나, 다른 학습의 체크포인트입니다.",
    "WatchError": "폴더를 지켜볼 수 없거나, 그 표를 쓸 수 없습니다.",
    "MissingExtraError": "선택 패키지가 설치되지 않았습니다. `hint`에 설치할 pip 명령이 있습니다.",
}
"""What each error says in Korean; a test holds that none is missing."""


def on_config(config: Any) -> Any:
    """Let mkdocs read a folder that holds ``docs/`` and what is made; it comes here once for each language."""
    if Path(config.docs_dir).resolve() == ROOT / "docs":
        staged = Path(tempfile.mkdtemp(prefix="topwork-docs-"))
        stage(staged)
        config.docs_dir = str(staged)
        config.nav = [_joined(entry, staged) for entry in config.nav]
        _add_unnamed(config.nav, staged)
    return config


def on_post_build(config: Any) -> None:
    """Nothing is left behind: the last language's build takes the folder away."""
    if not Path(config.site_dir, "ko", "index.html").exists():
        return
    shutil.rmtree(config.docs_dir, ignore_errors=True)


def stage(folder: Path) -> None:
    """Write every page of the site into a folder."""
    shutil.copytree(ROOT / "docs", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("api.md"))
    shutil.copytree(ROOT / "bench" / "results", folder / "results")
    for page in folder.rglob("*.md"):
        page.write_text(_links(page.read_text("utf-8"), len(page.relative_to(folder).parts)), "utf-8")
    (folder / "reference").mkdir(exist_ok=True)
    for language in LANGUAGES:
        for name, lines in (("commands", commands(language)), ("python", python()), ("errors", errors(language))):
            title, said = HEADS[name][language]
            suffix = "" if language == "en" else f".{language}"
            text = "\n".join([f"# {title}", "", said, "", *lines]) + "\n"
            (folder / "reference" / f"{name}{suffix}.md").write_text(text, "utf-8")


def _links(text: str, depth: int) -> str:
    """Links to measured results lead to their pages; what lies elsewhere in the repository is named, not linked."""
    here = "../" * (depth - 1)
    text = re.sub(r"\]\((?:\.\./)+bench/results/?\)", f"]({here}results/README.md)", text)
    text = re.sub(r"\]\((?:\.\./)+bench/results/", f"]({here}results/", text)
    return re.sub(r"\[([^\]]*)\]\((?:\.\./)+(?:peers|bench|tools|examples|src)/[^)]*\)", r"\1", text)


def _joined(entry: Any, folder: Path) -> Any:
    """An entry of the nav with the pages that are found: those beside its index."""
    ((title, pages),) = entry.items()
    found: list[Any] = []
    for page in pages:
        found.append(page)
        place = Path(page)
        if place.name in ("README.md", "index.md") and place.parent != Path():
            beside = sorted(p for p in (folder / place.parent).glob("*.md") if not p.name.endswith(".ko.md"))
            found += [str(p.relative_to(folder)) for p in beside if p.name != place.name]
    return {title: found}


def _add_unnamed(nav: list[Any], folder: Path) -> None:
    """Pages that no menu names join the guides, so that a new page is found before somebody gives it its place."""
    named = {page for entry in nav for pages in entry.values() for page in pages}
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.md") if not p.name.endswith(".ko.md"))
    guides = next(pages for entry in nav for title, pages in entry.items() if title == "Guides")
    guides += [page for page in found if page not in named]


def commands(language: str) -> Iterator[str]:
    """Every command: its usage, arguments and options, as its help says them; what one task alone has, apart."""
    import typer

    from topwork import tasks
    from topwork.cli._app import app
    from topwork.cli._language import help_texts

    program: Any = typer.main.get_command(app)
    texts: Any = help_texts(language)  # type: ignore[arg-type]
    for name in program.list_commands(None):
        context = program.get_command(None, name).make_context(name, [], resilient_parsing=True)
        told = " ".join((program.get_command(None, name).help or "").split())
        yield from (f"## topwork {name}", "", told if language == "en" else texts.said(told), "")
        usage = " ".join(context.command.collect_usage_pieces(context))
        yield from ("```text", f"topwork {name} {usage}", "```", "")
        known = _options(context, texts, language)
        yield from (*known, "")
        if "--task" not in "".join(known):
            continue
        for task in tasks.names():
            of_task = program.get_command(None, name).make_context(name, ["--task", task], resilient_parsing=True)
            more = [line for line in _options(of_task, texts, language) if line.split(":")[0] not in _names(known)]
            yield from (f"`--task {task}`:", "", *more, "") if more else ()


def _names(lines: list[str]) -> set[str]:
    return {line.split(":")[0] for line in lines}


def _options(context: Any, texts: Any, language: str) -> list[str]:
    """A line for each argument and option."""
    from topwork.cli._help import _said_help

    lines = []
    for param in context.command.get_params(context):
        record = param.get_help_record(context)
        if record is not None:
            said = " ".join(record[1].split())
            lines.append(f"- `{record[0]}`: {_safe(said if language == 'en' else _said_help(said, texts))}")
    return lines


def _safe(text: str) -> str:
    """A help as Markdown: what stands in angle or square brackets is itself."""
    return re.sub(r"([<>\[\]*_])", r"\\\1", text)


def python() -> list[str]:
    """The public names with their docstrings, by room."""
    spec = importlib.util.spec_from_file_location("api_reference", ROOT / "tools" / "api_reference.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool.reference().splitlines()[3:]


def errors(language: str) -> Iterator[str]:
    """Every error: of which other it is a kind, and what it means."""
    from topwork import errors as room

    for value in vars(room).values():
        if inspect.isclass(value) and issubclass(value, room.TopworkError):
            parent = value.__mro__[1].__name__
            first = (inspect.getdoc(value) or "").split("\n\n")[0].replace("``", "`")
            told = first if language == "en" else ERRORS[value.__name__]
            yield from (f"## {value.__name__}", "", f"`{value.__name__}` ← `{parent}`", "", told, "")
