from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from electralab.data import prepare as preparing
from electralab.data.prepare import Prepared, TrainTokenizer
from electralab.data.roles import columns
from electralab.errors import UserError

TRAIN = TrainTokenizer(vocab_size=80, lowercase=True)


def prepare(*, data, tokenizer, cache_dir) -> Prepared:
    """Prepares token blocks, as the tasks rtd and mlm do."""
    return preparing.prepare(
        data=data,
        columns=columns("rtd", data),
        encoder=None,
        tokenizer=tokenizer,
        cache_dir=cache_dir,
    )


@pytest.fixture
def text_config(data_config, corpus):
    def build(values=None, **given):
        return data_config({"source": "text", "path": corpus, **(values or {})}, **given)

    return build


def rows(blocks) -> list[list[int]]:
    return [blocks[i]["input_ids"].tolist() for i in range(len(blocks))]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- what is prepared ------------------------------------------------------------------------


def test_rows_are_the_documents_of_each_split(text_config, tokenizer, tmp_path, corpus):
    config = text_config({"packing": "none", "split.test": 0.1})
    data = prepare(data=config, tokenizer=tokenizer, cache_dir=tmp_path)
    documents = Path(corpus).read_text().splitlines()
    expected = sorted(tokenizer(text)["input_ids"] for text in documents)
    got = [row for blocks in (data.train, data.validation, data.test) for row in rows(blocks)]
    assert sorted(got) == expected
    assert (len(data.validation), len(data.test)) == (10, 20)
    assert data.tokenizer is tokenizer


@pytest.mark.parametrize("packing", ["concat", "separate", "none"])
def test_how_full_rows_are_is_known_of_what_was_prepared_before_too(
    text_config, tokenizer, tmp_path, packing
):
    config = text_config({"packing": packing})
    data = prepare(data=config, tokenizer=tokenizer, cache_dir=tmp_path)
    assert "packing" not in json.loads((data.folder / "meta.json").read_text())["report"]
    again = prepare(data=config, tokenizer=tokenizer, cache_dir=tmp_path)
    assert again.from_cache
    for found in (data.report["packing"], again.report["packing"]):
        assert found["kind"] == packing
        for split, blocks in (("train", data.train), ("validation", data.validation)):
            tokens = sum(map(len, rows(blocks)))
            texts = data.report["documents"][split]
            assert found[split] == {
                "texts_a_row": pytest.approx(texts / len(blocks)),
                "filled": pytest.approx(tokens / (len(blocks) * config.max_length)),
            }


def test_texts_kept_apart_are_those_of_a_row_each(text_config, tokenizer, tmp_path):
    found = {}
    for packing in ("separate", "none"):
        config = text_config({"packing": packing})
        data = prepare(data=config, tokenizer=tokenizer, cache_dir=tmp_path)
        examples = [
            blocks[i] for blocks in (data.train, data.validation) for i in range(len(blocks))
        ]
        texts = [np.split(row["input_ids"], row.get("starts", [0])[1:]) for row in examples]
        found[packing] = sorted(text.tolist() for row in texts for text in row)
        found[f"{packing} unigram"] = data.unigram.tolist()
    assert found["separate"] == found["none"]
    assert found["separate unigram"] == found["none unigram"]


def test_concatenated_rows_lose_less_than_one_row_a_split(text_config, tokenizer, tmp_path):
    data = prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path)
    for split, blocks in (("train", data.train), ("validation", data.validation)):
        stream = data.report["tokens"][split] + data.report["documents"][split]
        assert 0 <= stream - len(blocks) * 14 < 14
        assert all(row[0] == tokenizer.cls_token_id for row in rows(blocks))


def test_the_report_counts_what_was_dropped_and_why(data_config, tokenizer, tmp_path):
    path = tmp_path / "a.jsonl"
    texts = ["the model", None, "  ", "the model", "\u200b\x07", "a text", "and more", "tokens"]
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    config = data_config(
        {"source": "json", "path": str(path), "packing": "none", "limit": 4}
        | {"clean.drop_duplicates": True, "split.validation": None}
    )
    data = prepare(data=config, tokenizer=tokenizer, cache_dir=tmp_path / "cache")
    assert data.report["documents"] == {"read": 8, "train": 3}
    assert data.report["dropped"] == {
        "null": 1,
        "empty": 1,
        "duplicate": 1,
        "over_limit": 1,
        "without_tokens": 1,
    }
    assert data.report["tokens"] == {"train": 9}
    assert data.report["rows"] == {"train": 3}
    assert data.validation is None


def test_the_unigram_distribution_is_that_of_the_train_rows(text_config, tokenizer, tmp_path):
    data = prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path)
    ids = np.concatenate(rows(data.train))
    counts = np.bincount(ids[ids > 4], minlength=len(tokenizer))
    share = counts / counts.sum()
    np.testing.assert_allclose(data.unigram, share, rtol=1e-12)
    positive = share[share > 0]
    assert data.unigram_entropy == pytest.approx(-(positive * np.log(positive)).sum(), rel=1e-12)


def test_a_text_that_speaks_of_a_special_token_holds_none(data_config, tokenizer, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("the [MASK] and [SEP]\n" * 20)
    config = data_config({"source": "text", "path": str(path), "packing": "none"})
    data = prepare(data=config, tokenizer=tokenizer, cache_dir=tmp_path / "cache")
    for row in rows(data.train):
        assert tokenizer.mask_token_id not in row
        assert tokenizer.sep_token_id not in row[:-1]


def test_a_tokenizer_that_truncates_and_pads_does_not_here(text_config, tokenizer, tmp_path):
    whole = prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path / "one")
    tokenizer(["the model", "a"], truncation=True, max_length=4, padding=True)
    again = prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path / "two")
    assert rows(again.train) == rows(whole.train)


def test_held_out_files_are_taken_as_they_are(data_config, tokenizer, tmp_path, sentences):
    for split, seed in {"train": 0, "valid": 1, "test": 2}.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(sentences(30, seed)))
    config = data_config(
        {"source": "text", "path": str(tmp_path / "train.txt"), "packing": "none"}
        | {f"split.{k}": str(tmp_path / f"{v}.txt") for k, v in TWO_FILES.items()}
    )
    data = prepare(data=config, tokenizer=tokenizer, cache_dir=tmp_path / "cache")
    for blocks, seed in ((data.train, 0), (data.validation, 1), (data.test, 2)):
        assert rows(blocks) == [tokenizer(text)["input_ids"] for text in sentences(30, seed)]


TWO_FILES = {"validation": "valid", "test": "test"}


def test_a_trained_tokenizer_sees_the_train_split_only(data_config, tmp_path, sentences):
    (tmp_path / "train.txt").write_text("\n".join(sentences(50)))
    (tmp_path / "valid.txt").write_text("\n".join([*sentences(5), "ZZZ ЖЖЖ"]))
    config = data_config(
        {"source": "text", "path": str(tmp_path / "train.txt")}
        | {"split.validation": str(tmp_path / "valid.txt")}
    )
    data = prepare(data=config, tokenizer=TRAIN, cache_dir=tmp_path / "cache")
    assert "ж" not in data.tokenizer.get_vocab()
    assert len(data.unigram) == data.report["vocab_size"] == len(data.tokenizer) <= 80


def test_the_embedded_corpus_is_prepared_and_told_apart_by_versions(
    data_config, tmp_path, monkeypatch, sentences
):
    import sysconfig

    from electralab.data import python_docs

    (tmp_path / "lib").mkdir()
    for number, text in enumerate(sentences(30)):
        (tmp_path / "lib" / f"m{number}.py").write_text(f'"""{text} {number}."""\n')
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "lib"))
    monkeypatch.setattr(python_docs, "_installed", lambda names: {})
    config = data_config(source="python_docs", num_proc=1)
    data = prepare(data=config, tokenizer=TRAIN, cache_dir=tmp_path / "cache")
    assert data.report["documents"] == {"read": 30, "train": 28, "validation": 2}
    assert prepare(data=config, tokenizer=TRAIN, cache_dir=tmp_path / "cache").from_cache
    monkeypatch.setattr(python_docs, "python_docs_version", lambda: "another Python")
    assert not prepare(data=config, tokenizer=TRAIN, cache_dir=tmp_path / "cache").from_cache


# --- the same again --------------------------------------------------------------------------


def test_two_caches_hold_the_same_bytes(text_config, tmp_path):
    one = prepare(data=text_config(), tokenizer=TRAIN, cache_dir=tmp_path / "one")
    two = prepare(data=text_config(), tokenizer=TRAIN, cache_dir=tmp_path / "two")
    assert files(one.folder) == files(two.folder)
    assert one.fingerprint == two.fingerprint


def test_a_second_time_nothing_is_read_and_datasets_is_not_imported(
    text_config, tmp_path, monkeypatch
):
    config = text_config()
    first = prepare(data=config, tokenizer=TRAIN, cache_dir=tmp_path)
    assert not first.from_cache
    program = (
        "import json, sys\n"
        "from electralab.config import DataConfig\n"
        "from electralab.data.prepare import TrainTokenizer, prepare\n"
        "config = DataConfig.model_validate_json(sys.stdin.read())\n"
        "tokenizer = TrainTokenizer(vocab_size=80, lowercase=True)\n"
        "how = {'columns': {'text': 'text'}, 'encoder': None, 'tokenizer': tokenizer}\n"
        "data = prepare(data=config, **how, cache_dir=sys.argv[1])\n"
        "assert data.from_cache\n"
        "assert 'datasets' not in sys.modules\n"
        "assert 'electralab.data.build' not in sys.modules\n"
        "print(data.fingerprint, data.unigram_entropy, data.tokenizer('the')['input_ids'])\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    result = subprocess.run(
        command, input=config.model_dump_json(), text=True, check=True, stdout=subprocess.PIPE
    )
    ids = first.tokenizer("the")["input_ids"]
    assert result.stdout.split() == f"{first.fingerprint} {first.unigram_entropy} {ids}".split()


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 17},
        {"packing": "none"},
        {"packing": "separate"},
        {"limit": 150},
        {"clean.drop_empty": False},
        {"clean.drop_duplicates": True},
        {"split.validation": 0.1},
        {"split.test": 0.1},
        {"split.seed": 1},
        {"unit": "file", "split.validation": None},
    ],
)
def test_another_setting_is_prepared_anew(text_config, tokenizer, tmp_path, change):
    first = prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path)
    other = prepare(data=text_config(change), tokenizer=tokenizer, cache_dir=tmp_path)
    assert not other.from_cache
    assert other.folder != first.folder
    assert prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path).from_cache


def test_the_number_of_processes_is_no_reason_to_prepare_anew(text_config, tokenizer, tmp_path):
    prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path)
    assert prepare(data=text_config(num_proc=1), tokenizer=tokenizer, cache_dir=tmp_path).from_cache


def test_another_tokenizer_is_a_reason(text_config, tokenizer, tmp_path):
    from transformers import BertTokenizer

    prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path)
    vocab = tokenizer.get_vocab()
    for other in (
        BertTokenizer(vocab={**vocab, "extra": len(vocab)}, strip_accents=False),
        BertTokenizer(vocab=vocab, strip_accents=False, do_lower_case=False),
        TrainTokenizer(vocab_size=80, lowercase=True),
        TrainTokenizer(vocab_size=81, lowercase=True),
        TrainTokenizer(vocab_size=80, lowercase=False),
    ):
        assert not prepare(data=text_config(), tokenizer=other, cache_dir=tmp_path).from_cache


def test_an_edit_of_the_same_size_is_seen_by_its_time(text_config, tokenizer, tmp_path, corpus):
    first = prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path)
    path = Path(corpus)
    status = path.stat()
    path.write_text(path.read_text().replace("the", "and", 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert path.stat().st_size == status.st_size
    second = prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path)
    assert not second.from_cache
    assert second.fingerprint != first.fingerprint


def test_the_fingerprint_is_of_contents_not_of_paths(data_config, tokenizer, tmp_path, sentences):
    prints = set()
    for name, source, content in (
        ("a.txt", "text", "\n".join(sentences(40))),
        ("b.txt", "text", "\n".join(sentences(40))),
        ("c.jsonl", "json", "\n".join(json.dumps({"text": s}) for s in sentences(40))),
    ):
        (tmp_path / name).write_text(content)
        config = data_config(source=source, path=str(tmp_path / name))
        prints.add(prepare(data=config, tokenizer=tokenizer, cache_dir=tmp_path / "c").fingerprint)
    assert len(prints) == 1
    assert len(prints.pop()) == 64


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "meta.json").unlink(),
        lambda folder: (folder / "meta.json").write_text('{"sizes": {'),
        lambda folder: (folder / "train" / "tokens.bin").write_bytes(b"cut"),
        lambda folder: (folder / "validation" / "blocks.json").unlink(),
        lambda folder: (folder / "tokenizer" / "tokenizer.json").write_text("{}"),
    ],
)
def test_a_damaged_folder_is_prepared_anew(text_config, tmp_path, damage):
    first = prepare(data=text_config(), tokenizer=TRAIN, cache_dir=tmp_path)
    content = files(first.folder)
    damage(first.folder)
    second = prepare(data=text_config(), tokenizer=TRAIN, cache_dir=tmp_path)
    assert not second.from_cache
    assert files(second.folder) == content


def test_what_a_killed_process_left_is_cleared_away(text_config, tokenizer, tmp_path):
    folder = prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path).folder
    folder.rename(folder.with_suffix(".tmp"))
    data = prepare(data=text_config(), tokenizer=tokenizer, cache_dir=tmp_path)
    assert not data.from_cache
    assert {path.suffix for path in folder.parent.iterdir()} <= {"", ".lock"}


def _prepare_in_process(config, cache_dir, barrier, results) -> None:
    barrier.wait()
    data = prepare(data=config, tokenizer=TRAIN, cache_dir=cache_dir)
    results.put((data.from_cache, data.fingerprint, len(data.train)))


def test_processes_that_ask_at_once_prepare_once(text_config, tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    arguments = (text_config(), tmp_path, barrier, results)
    processes = [context.Process(target=_prepare_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    got = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert sorted(from_cache for from_cache, *_ in got) == [False, True]
    assert got[0][1:] == got[1][1:]


# --- too little ------------------------------------------------------------------------------


def problem(config, tokenizer, cache_dir) -> str:
    with pytest.raises(UserError) as caught:
        prepare(data=config, tokenizer=tokenizer, cache_dir=cache_dir)
    assert len(caught.value.problems) == 1
    if (cache_dir / "prepared").exists():
        assert [p for p in (cache_dir / "prepared").iterdir() if p.is_dir()] == []
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("content", "values", "message"),
    [
        ('{"text": null}\n{"text": " "}\n', {}, "of its 2 documents 1 are null, 1 are empty"),
        ('{"text": "a text"}\n', {}, "`data.split.validation` must leave a document"),
        ('{"text": "a text"}\n' * 2, {"split.validation": None}, "it has 4 tokens"),
        (
            '{"text": "a text and more tokens the model reads"}\n' * 10,
            {},
            "`data.split.validation` must hold out more than 0.05",
        ),
        ('{"text": "\\u200b"}\n' * 3, {"packing": "none"}, "it has 0 tokens"),
    ],
)
def test_too_little_text_is_one_line_and_leaves_nothing(
    data_config, tokenizer, tmp_path, content, values, message
):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    config = data_config({"source": "json", "path": str(path), **values})
    assert message in problem(config, tokenizer, tmp_path / "cache")


def test_a_tokenizer_without_mask_token(text_config, tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3}, "[UNK]"))
    given = {name: f"[{name.upper()[:3]}]" for name in ("cls_token", "sep_token", "pad_token")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", **given)
    message = problem(text_config(), tokenizer, tmp_path)
    assert message.startswith("`model.tokenizer` must have a mask token")
