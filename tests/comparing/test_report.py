"""Pictures and the page: what they hold, and that nothing a person typed gets out of hand."""

from __future__ import annotations

import html.parser
import io
import json
import re

import pytest
from PIL import Image

from electralab.comparing import report
from electralab.comparing.caveats import caveats
from electralab.comparing.pictures import draw
from electralab.comparing.sweeps import from_sweep
from electralab.timing import OF_A_WINDOW
from tests.comparing.sweep_folders import points, write_sweep

HOSTILE = "</td><script>alert('$x_1% \"')</script>&amp;"


def names(tmp_path, grid, **more) -> list[str]:
    drawn = draw(from_sweep(write_sweep(tmp_path, grid, **more)))
    for picture in drawn:
        image = Image.open(io.BytesIO(picture.image)).convert("L")
        assert min(image.size) > 200 and image.getextrema()[0] < 100  # something is drawn
    return [picture.name for picture in drawn]


@pytest.mark.parametrize(
    ("grid", "kind"),
    [
        (points(task__disc_weight=[10, 25, 50], seed=[0, 1]), "line"),
        (points(trainer__learning_rate=[1e-5, 1e-3]), "line"),
        (points(model=["electra_tiny", "$x_1% &"], seed=[0]), "line"),
        (points(task__disc_weight=[10, 50], task__mask_prob=[0.15, None], seed=[0, 1]), "heat_map"),
        ([{"a": i / 7, "b": i * i} for i in range(9)], "scatter"),
        (points(a=[1, 2], b=[True, False], c=[1e-5, 1], model=["x", "$_%"], seed=[0]), "parallel"),
        (points(seed=[0, 1, 2]), "runs"),
        (points(task__mask_prob=[0.15]), "runs"),
        (points(a=list(range(10)), b=["x", "y"], c=[1, 2, 3]), "parallel"),
    ],
)
def test_the_picture_follows_from_the_number_of_swept_keys(tmp_path, monkeypatch, grid, kind):
    from electralab.comparing import effects

    called = []
    draws = getattr(effects, kind)

    def noted(*arguments):
        called.append(kind)
        return draws(*arguments)

    monkeypatch.setattr(effects, kind, noted)
    assert names(tmp_path, grid) == ["effect", "curves"]
    assert called == [kind]


def test_two_objectives_get_a_picture_each_and_one_together(tmp_path):
    found = names(tmp_path, points(a=[1, 2], b=[1, 2]), objective=("eval_probe_auc", "eval_loss"))
    assert found == ["effect", "effect_2", "objectives", "curves"]


def test_a_metric_of_the_end_is_followed_on_the_validation_split(tmp_path):
    assert "curves" in names(tmp_path, points(a=[1, 2]), objective=("test_probe_auc",))


def test_what_was_not_measured_is_not_drawn(tmp_path):
    failed = {index: {"status": "FAILED", "metrics": None, "reason": "x"} for index in range(2)}
    assert names(tmp_path, points(a=[1, 2]), jobs=failed) == []


def test_one_result_on_a_grid_and_pruned_curves(tmp_path):
    jobs = {index: {"status": "PRUNED", "steps": 8} for index in range(3)}
    assert names(tmp_path, points(a=[1, 2], b=["x", "y"]), jobs=jobs) == ["effect", "curves"]


class Page(html.parser.HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def write(tmp_path, **more):
    grid = points(model=[HOSTILE, "électra 한국어"], seed=[0, 1])
    jobs = {1: {"status": "FAILED", "reason": HOSTILE}, 3: {"status": "PRUNED", "reason": "worse"}}
    folder = write_sweep(tmp_path, grid, jobs=jobs, command=f"electralab -m {HOSTILE}", **more)
    comparison = from_sweep(folder)
    return comparison, folder, report.write(comparison, folder)


def test_the_page_holds_everything_and_loads_nothing(tmp_path):
    comparison, folder, paths = write(tmp_path)
    found = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "link", "iframe", "a", "object"})
    for _, attributes in found.tags:
        assert not any(name.startswith("on") for name in attributes)
        if "src" in attributes:
            assert attributes["src"].startswith("data:image/png;base64,")
    text = "".join(found.text)
    assert text.count(HOSTILE) >= 4  # command, table, failure, run
    for result in comparison.results:
        assert result.label in text and result.run_id in text
    assert comparison.sweep_id in text and "worse" in text and "électra 한국어" in text
    images = [tag for tag, _ in found.tags if tag == "img"]
    assert len(images) == len([path for path in paths if path.suffix == ".png"]) == 2
    assert not re.search(r"https?://|url\(|@import", (folder / "report.html").read_text())


def test_the_same_results_are_the_same_bytes_and_nothing_is_left_behind(tmp_path):
    _, folder, paths = write(tmp_path)
    before = {path: path.read_bytes() for path in paths}
    (folder / "pictures" / "old.png").write_bytes(b"of another time")
    assert report.write(from_sweep(folder), folder) == paths
    assert {path: path.read_bytes() for path in paths} == before
    own = {"sweep.json", "pictures", *(path.name for path in paths if path.suffix != ".png")}
    assert {path.name for path in folder.iterdir() if not path.name.startswith("0")} == own
    assert {path.name for path in (folder / "pictures").iterdir()} == {"effect.png", "curves.png"}


def test_clock_readings_and_ids_are_in_columns_of_their_own(tmp_path):
    """Two sweeps that differ in them alone have the same table."""
    from electralab.comparing.table import as_csv

    tables = []
    for index in range(2):
        folder = write_sweep(tmp_path / str(index), points(a=[1, 2], seed=[0, 1]))
        for file in folder.glob("*/summary.json"):
            summary = json.loads(file.read_text())
            summary["seconds"] += index
            summary["metrics"] |= {"eval_runtime": index, **dict.fromkeys(OF_A_WINDOW, 5.0 + index)}
            file.write_text(json.dumps(summary))
        lines = as_csv(from_sweep(folder)).splitlines()
        assert lines[0].endswith(",seconds,tokens_per_second,mfu,data_wait,peak_memory_mb")
        assert lines[1].endswith(f",{5.0 + index},{5.0 + index}")
        tables.append([line.rsplit(",", 5)[0] for line in lines])
    assert tables[0] == tables[1]


def test_sixty_points_and_no_finished_one(tmp_path):
    many = write_sweep(tmp_path / "a", points(a=list(range(10)), b=list("xyzuvw")))
    assert len(report.write(from_sweep(many), many)) == 6
    none = {index: None for index in range(2)}
    empty = write_sweep(tmp_path / "b", points(a=[1, 2]), jobs=none, objective=None)
    assert [path.name for path in report.write(from_sweep(empty), empty)] == [
        "table.csv", "runs.csv", "table.md", "report.html",
    ]  # fmt: skip


def test_the_caveats_follow_from_what_is_compared(tmp_path):
    def said(where, **more) -> str:
        return " ".join(caveats(from_sweep(write_sweep(tmp_path / where, **more))))

    weights = said("a", values=points(task__disc_weight=[10, 50], seed=[0, 1]))
    assert "do not compare across these points" in weights and "standard deviation" in weights
    single = said("b", values=points(task__mask_prob=[0.1, 0.2]), objective=("test_probe_auc",))
    assert "chosen on the test split" in single and "Another seed moves" in single
    assert "No objective was set" in said("c", values=points(a=[1, 2]), objective=None)


def test_the_table_is_shown_on_standard_error(tmp_path, capsys):
    report.show(from_sweep(write_sweep(tmp_path, points(a=[1, 2]))))
    found = capsys.readouterr()
    assert "eval_probe_auc" in found.err and "2 jobs: 2 finished" in found.err and not found.out
