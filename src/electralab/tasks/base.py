"""What the main path asks of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from torch import Tensor

from electralab.data.prepare import Prepared, prepare
from electralab.data.roles import columns
from electralab.errors import RunFailure
from electralab.models.flops import Costs
from electralab.models.networks import check_kind
from electralab.schema import Section

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import (
        EvalPrediction,
        PreTrainedModel,
        PreTrainedTokenizerBase,
        TrainerCallback,
    )

    from electralab.config import DataConfig, ModelConfig
    from electralab.data.prepare import TrainTokenizer
    from electralab.data.rows import RowEncoder

Keys = TypeVar("Keys", bound=Section)


class Step(Protocol):
    """What one pass over a batch gives.

    Attributes:
        loss: A scalar, divided by the totals of the effective batch.
        statistics: Sums for the metrics of a logging window, a vector.
    """

    loss: Tensor
    statistics: Tensor


@dataclass(frozen=True)
class Built:
    """A model that is ready to be trained.

    Attributes:
        model: The model.
        able: Whether it can do the task already, so that it is worth measuring before training.
    """

    model: PreTrainedModel
    able: bool


class Task(ABC, Generic[Keys]):
    """A task: how texts become batches, what is built and learned, what is measured and shown.

    Args:
        config: The keys of `task`.
        data: The keys of `data`.
    """

    name: ClassVar[str]
    tokens: ClassVar[int]  # position of the number of real tokens in the vector of sums
    auto_class: ClassVar[type | None] = None  # of 🤗 Transformers; none: the task loads by itself

    at_start: bool = False  # whether what is being measured is the model before its training

    def __init__(self, *, config: Keys, data: DataConfig) -> None:
        self.config = config
        self.data = data

    def check_model(self, name_or_path: str | None, *, revision: str | None) -> None:
        """Refuses a checkpoint of another kind, before its data is prepared.

        Args:
            name_or_path: Hub name or folder; none: from scratch.
            revision: Commit, tag or branch on the hub.

        Raises:
            UserError: It is a model of another kind.
        """
        if name_or_path is not None and self.auto_class is not None:
            check_kind(self.auto_class, name_or_path, revision=revision)

    def prepare(
        self, *, tokenizer: PreTrainedTokenizerBase | TrainTokenizer, cache_dir: Path
    ) -> Prepared:
        """Prepares the data of the task, or takes what an earlier run prepared.

        Args:
            tokenizer: A tokenizer, or how to train one.
            cache_dir: Where what is prepared lies.

        Raises:
            UserError: The source, its texts or the tokenizer are not as they should be.
        """
        how = {"columns": columns(self.name, self.data), "encoder": self.encoder()}
        data = prepare(data=self.data, tokenizer=tokenizer, cache_dir=cache_dir, **how)
        for phase in getattr(self.config, "phases", None) or []:
            rows = data.train
            if phase.length < self.data.max_length:
                keys = self.data.model_copy(update={"max_length": phase.length})
                short = prepare(data=keys, tokenizer=data.tokenizer, cache_dir=cache_dir, **how)
                rows = short.train
            data.by_length[phase.length] = rows
        return data

    def encoder(self) -> RowEncoder | None:
        """Returns how an example becomes a row; none: texts become token blocks."""
        return None

    @abstractmethod
    def build_model(
        self,
        *,
        model: ModelConfig,
        data: Prepared,
        name_or_path: str | None,
        generator: str | None,
    ) -> Built:
        """Builds the model from scratch or from checkpoints.

        Args:
            model: The keys of `model`.
            data: The prepared data, with its tokenizer and what its encoder found out.
            name_or_path: Hub name or folder; none: from scratch.
            generator: Likewise of the generator, which only `rtd` has.

        Raises:
            UserError: A checkpoint cannot be loaded, or does not fit the data.
        """

    @abstractmethod
    def collators(self, *, data: Prepared, seed: int) -> tuple[Callable, Callable]:
        """Returns the collators of training and of evaluation.

        Args:
            data: The prepared data.
            seed: Of all that is drawn in training.
        """

    @abstractmethod
    def count_items(self, batch: dict[str, Tensor]) -> Tensor:
        """Counts what the losses of a batch are divided by, a vector."""

    @abstractmethod
    def costs(self, model: PreTrainedModel) -> Costs:
        """Returns what a batch of training costs the model, in FLOPs."""

    @abstractmethod
    def step(self, model: PreTrainedModel, batch: dict[str, Tensor], totals: Tensor | None) -> Step:
        """Runs the model on a batch.

        Args:
            model: The model, possibly wrapped for several devices.
            batch: What a collator made.
            totals: `count_items` of the whole effective batch; none: of this batch.
        """

    @abstractmethod
    def window_metrics(self, sums: list[float]) -> dict[str, float]:
        """Turns the sums of a logging window into metrics."""

    @abstractmethod
    def predict(
        self, model: PreTrainedModel, batch: dict[str, Tensor], *, split: str
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Returns the predictions and labels of a batch that `compute_metrics` wants.

        Args:
            model: The model, in evaluation mode.
            batch: What the evaluation collator made.
            split: ``eval`` or ``test``.
        """

    @abstractmethod
    def compute_metrics(self, evaluated: EvalPrediction) -> dict[str, float]:
        """Computes the metrics of a whole split, ``loss`` among them.

        Raises:
            RunFailure: The model gives numbers that are not finite.
        """

    def rate_scales(self, model: PreTrainedModel) -> dict[str, float] | None:
        """Returns a factor of the learning rate for each parameter; none: all learn alike."""
        return None

    def previews(self, data: Prepared) -> TrainerCallback | None:
        """Returns a callback that shows on the way what the model makes of held-out examples.

        It has `rows`, for the record, and may have `skip_time`.
        """
        return None

    def before(self, model: PreTrainedModel, data: Prepared) -> None:
        """Looks at what the model does before it is trained, where it is able to do the task."""
        return None

    def artifacts(self, model: PreTrainedModel, data: Prepared, folder: Path) -> list[Path]:
        """Writes tables and pictures of the end of a run into its folder, and returns them."""
        return []

    @abstractmethod
    def describe(self, model: PreTrainedModel) -> str:
        """Returns a line about the model's kind and size."""

    @abstractmethod
    def highlights(
        self, metrics: dict[str, float], *, baseline: dict[str, float], data: Prepared
    ) -> list[str]:
        """Returns the lines of a summary that say what was learned.

        Args:
            metrics: All metrics of the end of the run.
            baseline: Those of the evaluation before training; empty if there was none.
            data: The prepared data.
        """

    def examples(self, data: Prepared) -> list[str]:
        """Returns texts to try `electralab predict` on."""
        return []


def require_finite(*values: np.ndarray) -> None:
    """Refuses what a diverged model gives.

    Raises:
        RunFailure: A number is not finite.
    """
    if not all(np.isfinite(part).all() for part in values):
        raise RunFailure(
            "The training diverged: the model gives numbers that are not finite. Lower "
            "`trainer.learning_rate` or raise `trainer.warmup_steps`."
        )


def millions(model: Any) -> str:
    """Returns the number of a model's parameters in words."""
    return f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.1f} M"


def gain(
    name: str, metrics: dict[str, float], baseline: dict[str, float], *, form: str = "{:.4f}"
) -> str:
    """Returns a metric in words, with what it was before the training where that is known.

    Example:
        >>> gain("eval_accuracy", {"eval_accuracy": 0.84}, {"eval_accuracy": 0.51})
        'eval_accuracy 0.8400 (before: 0.5100, +0.3300)'
    """
    text = f"{name} {form.format(metrics[name])}"
    if name not in baseline:
        return text
    change = metrics[name] - baseline[name]
    sign = "+" if change >= 0 else "-"
    return f"{text} (before: {form.format(baseline[name])}, {sign}{form.format(abs(change))})"
