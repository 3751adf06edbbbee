"""What the end of a run or of a chain measures, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from electralab.chain_config import COMPARED, fine_tuning, unadapted_model
from electralab.checking.classification_checks import METRICS as CLASSIFICATION_METRICS
from electralab.config import Chain

if TYPE_CHECKING:
    from electralab.config import Config

# What each task's evaluation measures; the best checkpoint can be chosen by any of it.
EVAL_METRICS = {
    "rtd": (
        *("loss", "mlm_loss", "disc_loss", "gen_accuracy", "disc_accuracy"),
        *("disc_balanced_accuracy", "disc_precision", "disc_recall", "replaced_rate"),
        *("disc_auc", "disc_auc_low", "disc_auc_high"),
        *("probe_auc", "probe_auc_low", "probe_auc_high"),
    ),
    "mlm": ("loss", "accuracy", "perplexity"),
    "translation": ("loss", "bleu", "chrf", "ter", "generated_length"),
}


def of_an_evaluation(config: Config) -> tuple[str, ...]:
    """Returns what an evaluation measures, without a prefix."""
    if config.task.name == "classification":
        return CLASSIFICATION_METRICS[config.task.problem]
    return EVAL_METRICS[config.task.name]


def measured(config: Config | Chain) -> list[str]:
    """Returns the metrics of the end of a run, those of the validation split first.

    Args:
        config: Of a run, or of a chain, whose metrics begin with ``finetune.``, ``unadapted.`` and
            ``gain.``.
    """
    if isinstance(config, Chain):
        names = measured(compared(config))
        return [f"{arm}.{name}" for arm in COMPARED for name in names]
    split = config.data.split
    held = {"eval": split.validation, "test": split.test}
    prefixes = [prefix for prefix, given in held.items() if given not in (None, 0)]
    return [f"{prefix}_{name}" for prefix in prefixes for name in of_an_evaluation(config)]


def compared(chain: Chain) -> Config:
    """Returns the run of a chain whose evaluation is what the chain measures."""
    return fine_tuning(chain, model=unadapted_model(chain), seed=chain.finetune.seeds[0])
