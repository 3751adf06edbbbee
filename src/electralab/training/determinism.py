"""What a seed fixes."""

from __future__ import annotations

import logging
import os
import random
import warnings

import numpy as np
import torch


def seed_everything(seed: int, *, deterministic: bool) -> None:
    """Seeds Python, NumPy and torch; on the CPU that fixes every number of a run.

    Args:
        seed: 0 to 2³² − 1.
        deterministic: Allow only deterministic kernels, which costs speed on a GPU.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)


def quiet_libraries() -> None:
    """Hides the chatter of libraries about which a user can do nothing."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    # Previews tokenise before the loaders fork, which the tokenizers would warn about.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in ("mlflow", "alembic", "accelerate", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("datasets").setLevel(logging.CRITICAL)  # it raises what it reports as well
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")  # in the guide
    warnings.filterwarnings("ignore", category=UserWarning, module=r"(torch|accelerate)(\.|$)")
