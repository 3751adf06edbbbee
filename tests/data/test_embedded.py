from __future__ import annotations

import ast
import json
from collections import Counter

import pytest

from electralab.data import embedded, python_tasks, ui_strings
from electralab.data.peek import problems
from electralab.data.python_tasks import first_sentence, iter_libraries, iter_pairs, signatures
from electralab.data.sources import identity, read

SOURCE = b'''
class Table:
    def rows(self, start: int = 0, *, step=1) -> list:
        """Return the rows between two places.

        More about it.
        """
    @property
    async def get_width(self):
        """Get the width."""
    def clip(self, low):
        """clip(low) -> Table, without what is below."""
    def copy(self):
        """Return a copy."""
    def more(self):
        """Parameters
        ----------
        none : of them
        """
    def undocumented(self): pass
async def gather(*tasks, **options):
    """Wait for all of the tasks,
    whatever they are! Then go on."""
'''


def test_a_signature_is_as_written_and_a_summary_is_one_sentence():
    assert list(signatures(SOURCE, "m")) == [
        ("def rows(self, start: int=0, *, step=1) -> list", "Return the rows between two places."),
        ("async def gather(*tasks, **options)", "Wait for all of the tasks, whatever they are!"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("One. Two.", "One."),
        ("Of version 3.11 and\n  later", "Of version 3.11 and later"),
        ("No stop\n\nNext.", "No stop"),
        ("Is it? Yes.", "Is it?"),
    ],
)
def test_the_first_sentence(text, sentence):
    assert first_sentence(text) == sentence


@pytest.fixture
def pairs(monkeypatch):
    """Signatures of libraries of 2, 7 and 40 functions; the last two are the same again."""
    found = [
        (f"lib{size}", f"def of{size}_{n}(a)", f"What number {n} of {size} does.")
        for size in (2, 7, 40)
        for n in range(size)
    ]
    found += [("lib7", "def other(a)", "What number 0 of 7 does."), ("lib40", *found[-1][1:])]
    monkeypatch.setattr(python_tasks, "parsed", lambda extract, num_proc: iter(found))
    return {signature: (library, summary) for library, signature, summary in found[:-2]}


def test_half_of_the_pairs_have_the_summary_of_another_of_the_same_library(pairs):
    made = list(iter_pairs())
    owner = {summary: library for library, summary in pairs.values()}
    assert Counter(pair["label"] for pair in made) == {"match": 24, "mismatch": 23}
    for pair in made:
        library, summary = pairs[pair["signature"]]
        assert (pair["summary"] == summary) == (pair["label"] == "match")
        assert owner[pair["summary"]] == library
    libraries = Counter(owner[pair["summary"]] for pair in made)
    assert libraries == {"lib7": 7, "lib40": 40}  # one of two cannot be given another's


def test_every_signature_and_every_summary_stands_in_one_pair(pairs):
    made = list(iter_pairs())
    for part in ("signature", "summary"):
        assert max(Counter(pair[part] for pair in made).values()) == 1
    assert list(iter_pairs()) == made


def test_libraries_with_few_or_short_texts_are_no_class_and_none_is_much_larger(monkeypatch):
    sizes = {"few": 5, "enough": 12, "many": 60}
    entries = [
        {"text": f"{library} {n} {'x' * 60}", "library": library}
        for library, size in sizes.items()
        for n in range(size)
    ]
    entries += [{"text": f"short {n}", "library": "short"} for n in range(30)]
    monkeypatch.setattr(python_tasks, "iter_docstrings", lambda num_proc: iter(entries))
    monkeypatch.setattr(python_tasks, "LEAST", 10)
    monkeypatch.setattr(python_tasks, "MOST", 20)
    made = list(iter_libraries())
    assert Counter(entry["library"] for entry in made) == {"enough": 12, "many": 20}
    assert all(entry["text"].startswith(entry["library"]) for entry in made)
    assert len({entry["text"] for entry in made}) == len(made)
    assert {entry["library"] for entry in made[:10]} == {"enough", "many"}
    assert list(iter_libraries()) == made


def test_real_signatures_can_be_parsed_again():
    with open(ast.__file__, "rb") as file:
        found = list(signatures(file.read(), "ast"))
    assert len(found) > 10
    for signature, _ in found:
        (node,) = ast.parse(f"{signature}: ...").body
        assert ast.unparse(node).startswith(signature)


# --- the language pack -----------------------------------------------------------------------


def test_strings_of_the_language_pack(data_config, tmp_path):
    config = data_config({"source": "ui_strings_enfr", "split.validation": None})
    columns = {"source": "en", "target": "fr"}
    assert problems(config, columns=columns) == []
    table = read(config, columns=columns, cache_dir=tmp_path / "cache").tables["train"]
    assert 2500 < len(table) < 4000
    assert {"source": "Close All Tabs", "target": "Fermer tous les onglets"} in table.to_list()
    assert len(set(table["source"][:])) == len(table)
    assert all(english != french for english, french in zip(*table.to_dict().values(), strict=True))
    assert not any("\x04" in text for text in table["source"][:])
    assert f"{ui_strings.PACK}==" in json.dumps(identity(config))


def test_without_the_language_pack_one_line_says_how_to_install_it(data_config, monkeypatch):
    monkeypatch.setattr(ui_strings, "PACK", "a-pack-that-is-not-there")
    config = data_config(source="ui_strings_enfr")
    (line,) = problems(config, columns={"source": "en", "target": "fr"})
    assert "pip install 'electralab[demo]'" in line


def test_columns_choose_the_direction_and_the_parts(monkeypatch):
    records = [{"en": "Close", "fr": "Fermer"}]
    monkeypatch.setattr(ui_strings, "iter_strings", lambda: iter(records))
    for columns, expected in (
        ({"source": "fr", "target": "en"}, ["Fermer", "Close"]),
        ({"text": "fr"}, ["Fermer"]),
        ({"text": "en", "label": "fr"}, ["Close", '"Fermer"']),
    ):
        found = embedded.examples("ui_strings_enfr", columns, num_proc=1)
        assert list(found) == [expected]


def test_what_is_measured_of_pairs_is_that_they_match():
    negative, positive = embedded.CLASSES["python_docs_pairs"]
    assert (negative, positive) == (python_tasks.MISMATCH, python_tasks.MATCH)


def test_versions_tell_the_sources_apart():
    versions = {embedded.version(source) for source in embedded.COLUMNS}
    assert len(versions) == len(embedded.COLUMNS) == 4
