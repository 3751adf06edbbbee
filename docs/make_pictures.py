"""Makes the pictures of the README from real runs.

    python docs/make_pictures.py terminal DEMO_OUTPUT.txt docs/demo.svg
    python docs/make_pictures.py curves RUN_FOLDER docs/rtd_python_docs.png

The first takes what a run printed (`electralab experiment=demo 2> DEMO_OUTPUT.txt`), the second the
checkpoints of a run.
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path


def terminal(source: str, target: str, *, last: int = 34) -> None:
    """Draws the last lines of an output as a terminal window."""
    from rich.console import Console
    from rich.text import Text

    lines = Path(source).read_text(encoding="utf-8").rstrip().splitlines()
    console = Console(record=True, width=106, file=io.StringIO())
    console.print(Text("$ electralab experiment=demo", style="bold"))
    for line in ["…", *lines[-last:]]:
        style = "dim" if " · train · " in line else None
        console.print(Text(line.rstrip(), style=style or ""), overflow="ellipsis", no_wrap=True)
    drawing = console.export_svg(title="electralab")
    # Any monospaced font will do; a picture fetches nothing.
    drawing = re.sub(r"@font-face\s*{[^}]*}", "", drawing)
    drawing = re.sub(r"<!--.*?-->", "", drawing, flags=re.DOTALL)
    Path(target).write_text(drawing, encoding="utf-8")


def curves(run: str, target: str) -> None:
    """Draws the learning curves of a run: losses of the generator, areas of the discriminator."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    checkpoints = sorted(
        Path(run).glob("checkpoints/checkpoint-*"), key=lambda path: int(path.name.split("-")[1])
    )
    history = json.loads((checkpoints[-1] / "trainer_state.json").read_text())["log_history"]
    summary = json.loads((Path(run) / "summary.json").read_text())
    evaluations = [log for log in history if "eval_loss" in log]
    training = [log for log in history if "mlm_loss" in log]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    left.plot([log["step"] / 1000 for log in training], [log["mlm_loss"] for log in training], lw=1)
    steps = [log["step"] / 1000 for log in evaluations]
    left.plot(steps, [log["eval_mlm_loss"] for log in evaluations], "o-", ms=4)
    left.axhline(summary["unigram_entropy"], color="grey", ls=":")
    left.set(xlabel="thousand steps", ylabel="nats", title="generator: masked tokens")
    left.legend(["training", "held out", "unigram entropy"], frameon=False)
    for name, label in (
        ("disc", "the generator's replacements"),
        ("probe", "unigram replacements"),
    ):
        right.plot(steps, [log[f"eval_{name}_auc"] for log in evaluations], "o-", ms=4, label=label)
        low, high = (
            [log[f"eval_{name}_auc_{end}"] for log in evaluations] for end in ("low", "high")
        )
        right.fill_between(steps, low, high, alpha=0.25)
    right.axhline(0.5, color="grey", ls=":")
    right.set(xlabel="thousand steps", ylabel="held-out ROC AUC", title="discriminator")
    right.legend(frameon=False)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    {"terminal": terminal, "curves": curves}[sys.argv[1]](*sys.argv[2:])
