"""The picture of a confusion matrix: from two classes to hundreds, whatever they are called."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from electralab.tasks.confusion import draw_confusion


def draw(tmp_path, counts, names):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Image.open(draw_confusion(counts, names, tmp_path / "c.png", title="$ 3 rows"))


@pytest.mark.parametrize("classes", [2, 14, 30, 77, 300])
def test_it_can_be_drawn_and_is_of_a_size_to_look_at(tmp_path, classes):
    counts = np.random.default_rng(0).integers(0, 9, (classes, classes))
    width, height = draw(tmp_path, counts, [f"class {number}" for number in range(classes)]).size
    assert 300 < height <= width < 3000


def test_names_can_be_long_korean_or_full_of_signs(tmp_path):
    draw(tmp_path, np.array([[3, 1], [0, 0]]), ["긍정 $x_$ {", "a very long name " * 20])


def test_up_to_thirty_classes_the_numbers_are_written(tmp_path, monkeypatch):
    written = []
    save = Figure.savefig

    def keep(figure, *args, **kwargs):
        written.append([text.get_text() for text in figure.axes[0].texts])
        return save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    draw(tmp_path, np.array([[3, 1], [0, 0]]), ["a", "b"])
    draw(tmp_path, np.eye(31, dtype=int), [str(number) for number in range(31)])
    assert written == [["3\n75%", "1\n25%", "0", "0"], []]
