"""What a table of results does not say by itself."""

from __future__ import annotations

from electralab.comparing.points import points, varies
from electralab.comparing.results import FINISHED, PRUNED, Comparison

_WEIGHTS = ("disc_weight", "gen_weight")


def caveats(comparison: Comparison) -> list[str]:
    """Returns what a reader must know about the metrics of a comparison, a sentence or two each."""
    found = [point for point in points(comparison) if point.finished]
    metrics = comparison.metrics()
    said: list[str] = []
    if not found:
        return said
    if comparison.objective and not comparison.chosen:
        said.append(
            f"No objective was set: the points are ranked by {comparison.objective[0].metric}, "
            "which is a choice of this page."
        )
    said += _of_choosing(comparison, len(found))
    if varies(comparison):
        said.append(
            "± is the standard deviation over the seeds (n - 1), not the error of the mean. "
            "Differences of its size need more seeds, or the test over paired seeds: "
            "electralab compare --test KEY=A,B."
        )
    elif len(found) > 1:
        said.append(
            "Every point ran with one seed. Another seed moves the metrics as well, so small "
            "differences prove nothing; sweep seed=0,1,2."
        )
    if any(len(point.finished) < len(point.results) for point in found):
        said.append("Some points have fewer finished runs than others; their means are less sure.")
    if any(key.endswith(_WEIGHTS) for key in comparison.keys):
        said.append(
            "loss and eval_loss are sums weighted by settings that differ here: they do not "
            "compare across these points."
        )
    if any("disc_" in name for name in metrics) and len(found) > 1:
        said.append(
            "eval_disc_ metrics judge the replacements of each run's own generator, which differs "
            "between runs: a worse generator makes them better. eval_probe_auc judges the same "
            "replacements in every run."
        )
    if any(name.endswith(("_low", "_high")) for name in metrics):
        said.append(
            "_low and _high are the ends of a 95 % bootstrap interval over the examples of the "
            "evaluation; they say nothing about other seeds."
        )
    if any(result.status == PRUNED for result in comparison.results):
        said.append(
            "Pruned runs were stopped early, for others were better at the same step. They are "
            "not ranked."
        )
    if any(r.status == FINISHED and r.seconds is not None for r in comparison.results):
        said.append(
            "Times and tokens/s are clock readings: they depend on the machine, on what else it "
            "did, and on how many runs went side by side."
        )
    return said


def _of_choosing(comparison: Comparison, many: int) -> list[str]:
    """Returns what the choice of the best of several does to its value."""
    if many < 2 or not comparison.objective:
        return []
    name = comparison.objective[0].metric.rpartition(".")[2]
    if name.startswith("test_"):
        return [
            f"The best of {many} points was chosen on the test split, so its value there is "
            "flattered; an objective of the validation split (eval_) leaves the test split "
            "untouched."
        ]
    if name.startswith("eval_"):
        return [
            f"The best of {many} points was chosen on the validation split, so its value there is "
            "flattered; test_ metrics and new seeds are not."
        ]
    return []
