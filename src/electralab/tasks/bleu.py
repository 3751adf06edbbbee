"""Corpus scores of translations: BLEU (Papineni et al. 2002), chrF (Popović 2015) and TER (Snover
et al. 2006), as sacreBLEU (Post 2018) computes them.
"""

from __future__ import annotations

from collections.abc import Sequence


def translation_scores(
    hypotheses: Sequence[str], references: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Scores translations against one reference each.

    Args:
        hypotheses: What a model wrote.
        references: What should have been written.

    Returns:
        ``bleu`` and ``chrf`` (0 to 100, more is better) and ``ter`` (0 and above, less is better),
        and the signature of each, without which a score cannot be compared.

    Example:
        >>> scores, _ = translation_scores(["the cat sat down"], ["the cat sat down"])
        >>> round(scores["bleu"])
        100
    """
    from sacrebleu.metrics import BLEU, CHRF, TER

    written = [text.strip() for text in hypotheses]
    wanted = [[text.strip() for text in references]]  # a list a set of references
    # `force` leaves out a warning about texts that end in " .", as tokenised ones do.
    metrics = {"bleu": BLEU(force=True), "chrf": CHRF(), "ter": TER()}
    scores = {name: metric.corpus_score(written, wanted).score for name, metric in metrics.items()}
    return scores, {name: str(metric.get_signature()) for name, metric in metrics.items()}
