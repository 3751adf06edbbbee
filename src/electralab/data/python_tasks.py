"""Two classification tasks with real labels, made of the docstrings that are on the machine.

Which library does a text come from, and does a summary belong to a signature. Both give the same
examples in the same order on the same Python with the same libraries; the order is a shuffled one,
so that the first examples (`data.limit`) are of all libraries.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import numpy as np

from electralab.data.python_docs import documented, iter_docstrings, parsed

FORMAT = 1  # goes up when the rules below give other examples from the same docstrings
SEED = 0
# A library is a class where it has so many texts: fewer would be a class that hardly anything is
# learned of. None gives more than MOST, so that the classes are of about one size.
LEAST = 900
MOST = 1000
# Shorter ones ("Test.", "Initialize self.") stand in any library.
CHARACTERS = 60
WORDS = 4  # of a summary; a shorter one ("Return a copy.") fits many signatures
LONGEST = 300  # characters of a summary; a longer one is no sentence but a missing full stop
MATCH, MISMATCH = "match", "mismatch"


def iter_libraries(*, num_proc: int | None = None) -> Iterator[dict[str, str]]:
    """Yields the docstrings of the libraries that have many, at most `MOST` of each.

    Yields:
        ``text`` and ``library``.
    """
    texts: dict[str, list[str]] = {}
    for entry in iter_docstrings(num_proc=num_proc):
        if len(entry["text"]) >= CHARACTERS:
            texts.setdefault(entry["library"], []).append(entry["text"])
    random = np.random.Generator(np.random.PCG64(SEED))
    chosen = [
        {"text": found[at], "library": library}
        for library, found in sorted(texts.items())
        if len(found) >= LEAST
        for at in random.permutation(len(found))[:MOST]
    ]
    for at in random.permutation(len(chosen)):
        yield chosen[at]


def iter_pairs(*, num_proc: int | None = None) -> Iterator[dict[str, str]]:
    """Yields signatures of functions, half of them with the summary of another function.

    The other is of the same library, so that the vocabulary does not give the answer away. Every
    signature and every summary stands in one pair alone: neither can be known from another pair,
    nor does either say by itself which label is likely.

    Yields:
        ``signature``, as ``def join(a, *p)``; ``summary``, the first sentence of a docstring; and
        ``label``, ``match`` or ``mismatch``.
    """
    pairs: dict[str, list[tuple[str, str]]] = {}
    seen: set[str] = set()
    for library, signature, summary in parsed(signatures, num_proc=num_proc):
        if signature not in seen and summary not in seen:
            seen |= {signature, summary}
            pairs.setdefault(library, []).append((signature, summary))
    random = np.random.Generator(np.random.PCG64(SEED))
    made = []
    for _, found in sorted(pairs.items()):
        order = random.permutation(len(found))
        wrong = order[: len(found) // 2]
        if len(wrong) < 2:
            continue  # no other function to take a summary from
        for at, other in zip(wrong, np.roll(wrong, 1), strict=True):
            made.append((found[at][0], found[other][1], MISMATCH))
        made += [(*found[at], MATCH) for at in order[len(wrong) :]]
    for at in random.permutation(len(made)):
        yield dict(zip(("signature", "summary", "label"), made[at], strict=True))


def signatures(source: bytes, module: str) -> Iterator[tuple[str, str]]:
    """Yields (signature, summary) of a file's documented functions.

    Left out are summaries that say the signature again ("clip(a, min) -> array"), that are the
    name in words ("Get the name." of ``get_name``), and that are hardly a sentence.
    """
    for _, node, text in documented(source, module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            summary = first_sentence(text)
            if len(summary.split()) >= WORDS and len(summary) <= LONGEST:
                name = node.name.strip("_")
                said = f"{name}(" in summary or _is_name(summary, name)
                if not said and "---" not in summary:  # a heading: there is no summary
                    yield _signature(node), summary


def first_sentence(text: str) -> str:
    """Returns the first sentence of a docstring's first paragraph, its white space collapsed."""
    paragraph = " ".join(re.split(r"\n\s*\n", text, maxsplit=1)[0].split())
    return re.split(r"(?<=[.!?])\s", paragraph, maxsplit=1)[0]


def _is_name(summary: str, name: str) -> bool:
    words = set(re.findall(r"[a-z0-9]+", summary.lower())) - {"a", "an", "the", "this"}
    return words <= set(re.findall(r"[a-z0-9]+", re.sub(r"([A-Z])", r"_\1", name).lower()))


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    kind = type(node)
    bare = kind(**{**dict(ast.iter_fields(node)), "body": [], "decorator_list": []})
    text = " ".join(ast.unparse(ast.fix_missing_locations(bare)).split())
    return text.removesuffix(":").encode("utf-8", "ignore").decode("utf-8")
