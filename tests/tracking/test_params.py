from __future__ import annotations

import pytest

from electralab.tracking.params import flatten, shorten
from electralab.tracking.redaction import is_secret, mask


def test_flatten_keeps_every_leaf_under_its_dotted_key():
    tree = {
        "task": {"mask_prob": 0.15, "name": "rtd"},
        "data": {"path": ["a b", "ü"], "limit": None},
        "trainer": {"bf16": True, "learning_rate": 5e-5, "lr_scheduler_kwargs": {}},
    }
    assert flatten(tree) == {
        "task.mask_prob": "0.15",
        "task.name": "rtd",
        "data.path": '["a b", "ü"]',
        "data.limit": "null",
        "trainer.bf16": "true",
        "trainer.learning_rate": "5e-05",
        "trainer.lr_scheduler_kwargs": "{}",
    }


def test_flatten_refuses_two_entries_of_one_name():
    with pytest.raises(ValueError, match=r"a\.b"):
        flatten({"a.b": 1, "a": {"b": 2}})


@pytest.mark.parametrize(
    "key", ["trainer.hub_token", "token", "x.password", "x.api_key", "AWS_SECRET_ACCESS_KEY"]
)
def test_credentials_are_hidden(key):
    assert is_secret(key)
    assert flatten({key: "s3cret"})[key] == "***"
    assert flatten({key: None})[key] == "null"


@pytest.mark.parametrize(
    "key",
    ["model.tokenizer", "pad_token", "trainer.include_num_input_tokens_seen", "max_new_tokens"],
)
def test_words_with_token_in_them_are_no_credentials(key):
    assert flatten({key: "s"})[key] == "s"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@host:5000/x", "http://***@host:5000/x"),
        (
            "postgresql+psycopg2://me:p%40w@h/db?sslmode=on",
            "postgresql+psycopg2://***@h/db?sslmode=on",
        ),
        ("https://h/x?a=1&token=abc&b=2", "https://h/x?a=1&token=***&b=2"),
        ("said hf_ABCDEFGHIJKLMNOPQRST here", "said *** here"),
        ("me@example.org and a/b@c", "me@example.org and a/b@c"),
        ("sqlite:////a b/mlflow.db", "sqlite:////a b/mlflow.db"),
    ],
)
def test_mask_hides_credentials_and_nothing_else(text, shown):
    assert mask(text) == shown


def test_a_long_value_is_kept_whole_in_a_file():
    short, files = shorten({"a.b": "x" * 6001, "c": "y" * 6000}, limit=6000, folder="params")
    assert files == {"params/a.b.txt": "x" * 6001}
    assert "params/a.b.txt" in short["a.b"] and "6001 characters" in short["a.b"]
    assert short["c"] == "y" * 6000
