"""The step against an independent slow one in float64, and traps 1, 2, 5, 7, 9 and 10."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.utils._python_dispatch import TorchDispatchMode

from electralab.models.rtd import RtdPair
from electralab.models.statistics import RtdStatistics

from .conftest import MASK, make_collator, make_examples, make_pair


def slow_step(pair: RtdPair, examples: list[dict], batch: dict, config) -> tuple:
    """The step written out row by row and token by token, without padding, over all positions.

    It shares nothing with the fast one but the networks and the chosen positions and numbers.
    """
    mlm, disc, labels, drawn_all = [], [], [], []
    for row, example in enumerate(examples):
        ids = torch.as_tensor(example["input_ids"])
        chosen = batch["positions"][row][batch["chosen"][row]].tolist()
        numbers = batch["uniforms"][row][batch["chosen"][row]].double().tolist()
        masked = batch["masked_ids"][row, : len(ids)]
        logits = pair.generator(masked[None]).logits[0]  # every position
        corrupted = ids.clone()
        for position, number in zip(chosen, numbers, strict=True):
            log_p = logits[position] - torch.logsumexp(logits[position], 0)
            mlm.append(-log_p[ids[position]])
            p = torch.softmax(logits[position].detach() / config.sampling_temperature, 0).tolist()
            total, token = 0.0, 0
            for token, mass in enumerate(p):  # noqa: B007
                total += mass
                if total > number * math.fsum(p):
                    break
            corrupted[position] = token
            drawn_all.append(token)
        doubt = pair.discriminator(corrupted[None]).logits[0]
        for position in range(len(ids)):
            label = float(corrupted[position] != ids[position])
            labels.append(label)
            p = torch.sigmoid(doubt[position])
            disc.append(-(label * torch.log(p) + (1 - label) * torch.log(1 - p)))
    loss = config.gen_weight * sum(mlm) / len(mlm) + config.disc_weight * sum(disc) / len(disc)
    return loss, labels, drawn_all


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_loss_and_gradients_equal_the_slow_step(pair, temperature):
    pair = pair.double().eval()
    pair.config.gen_weight, pair.config.disc_weight = 1.3, 50.0
    pair.config.sampling_temperature = temperature
    examples = make_examples([30, 5, 1, 17, 30, 9])
    batch = make_collator()(examples)
    out = pair(**batch)
    out.loss.backward()
    gradients = {name: p.grad.clone() for name, p in pair.named_parameters()}
    pair.zero_grad()
    loss, labels, drawn = slow_step(pair, examples, batch, pair.config)
    loss.backward()
    assert out.sampled[batch["chosen"]].tolist() == drawn
    assert out.replaced[batch["attention_mask"].bool()].double().tolist() == labels
    assert 0 < sum(labels) < len(drawn) or sum(labels) == len(drawn)
    torch.testing.assert_close(out.loss, loss, rtol=1e-9, atol=0)
    for name, parameter in pair.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-9, atol=1e-12, msg=name)


def test_a_correct_guess_is_an_original_token():
    pair = make_pair().eval()
    examples = make_examples([30] * 40)
    batch = make_collator()(examples)
    with torch.no_grad():  # a generator that has memorised the right answer everywhere
        pair.generator.generator_lm_head.bias[11] = 1e4
    for row in batch["input_ids"]:
        row[row >= 5] = 11
    out = pair(**batch)
    assert out.sampled[batch["chosen"]].eq(11).all()
    assert not out.replaced.any()


def test_kept_positions_are_sampled_anew_and_others_never_change(pair):
    batch = make_collator(replace_prob=0.3)(make_examples([30] * 60))
    out = pair.eval()(**batch)
    chosen = torch.zeros_like(out.replaced).scatter(1, batch["positions"], batch["chosen"])
    kept = chosen & (batch["masked_ids"] != MASK)
    assert out.replaced[kept].float().mean() > 0.5
    assert not out.replaced[~chosen].any()


def test_pads_change_nothing(pair):
    pair = pair.double().eval()
    examples = make_examples([12, 12, 12])
    lone = pair(**make_collator()(examples))
    longer = make_examples([12, 12, 12, 30])
    batch = make_collator()(longer)
    padded = pair(**{name: value[:3] for name, value in batch.items()})
    torch.testing.assert_close(lone.loss, padded.loss, rtol=1e-12, atol=0)
    assert lone.statistics[4] == padded.statistics[4] == 3 * 14  # real tokens
    torch.testing.assert_close(lone.statistics, padded.statistics, rtol=1e-12, atol=0)


def test_left_padding_counts_and_masks_only_real_tokens():
    pair = make_pair().eval()
    batch = make_collator(padding_side="left")(make_examples([5, 30]))
    assert batch["attention_mask"][0].tolist() == [0] * 25 + [1] * 7
    out = pair(**batch)
    assert out.statistics[4] == 7 + 32 and torch.isfinite(out.loss)
    pads = batch["attention_mask"] == 0
    batch["input_ids"][pads] = batch["masked_ids"][pads] = 77  # what pads hold reaches nothing
    assert torch.equal(pair(**batch).loss, out.loss)


def test_the_vocabulary_is_computed_at_chosen_positions_only():
    class Largest(TorchDispatchMode):
        rows = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.shape[-1:] == (90,):
                self.rows = max(self.rows, out.numel() // 90)
            return out

    pair, batch = make_pair(), make_collator()(make_examples([30] * 4))
    with Largest() as seen:
        pair(**batch)
    assert seen.rows <= max(batch["positions"].numel(), 90)


def batches() -> dict[str, dict[str, torch.Tensor]]:
    """Full rows, rows with pads, and rows of two texts each."""
    full, padded = make_collator()(make_examples([30] * 4)), make_collator()(make_examples([30, 9]))
    half = torch.arange(32) // 16
    marks = {"segments": (half + 1).expand(4, -1), "position_ids": (torch.arange(32) % 16)[None]}
    return {"full": full, "padded": padded, "apart": full | marks}


KINDS = ["full", "padded", "apart"]
ATTENTIONS = ["eager", "sdpa"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_step_reads_nothing_back_from_the_device(kind, attention):
    """Meta tensors have no data: whatever needs a value to go on would raise here."""
    pair = make_pair().to("meta").train()
    pair.set_attn_implementation(attention)
    out = pair(**{name: value.to("meta") for name, value in batches()[kind].items()})
    out.loss.backward()
    assert out.statistics.shape == (len(RtdStatistics.names),)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_one_graph_of_fixed_shapes(kind):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    pair, batch = make_pair().train(), batches()[kind]
    step = torch.compile(pair, backend="aot_eager", fullgraph=True, dynamic=False)
    for _ in range(2):
        loss = step(**batch).loss
    loss.backward()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    torch.testing.assert_close(loss, pair(**batch).loss)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_texts_of_a_row_are_as_each_alone(pair, attention):
    pair = pair.double().eval()
    pair.set_attn_implementation(attention)
    examples = make_examples([12, 9, 7])
    alone = make_collator(mask_prob=0.4)(examples)
    lengths = alone["attention_mask"].sum(1)
    chosen, begin = alone["chosen"], lengths.cumsum(0) - lengths

    def joined(values: torch.Tensor) -> torch.Tensor:
        """Returns the tokens of all texts in one row, and three pads."""
        return torch.nn.functional.pad(values[alone["attention_mask"].bool()], (0, 3))[None]

    places = torch.arange(alone["input_ids"].shape[1]).expand_as(alone["input_ids"])
    together = {
        "input_ids": joined(alone["input_ids"]),
        "masked_ids": joined(alone["masked_ids"]),
        "positions": (alone["positions"] + begin[:, None])[chosen][None],
        "chosen": chosen[chosen][None],
        "uniforms": alone["uniforms"][chosen][None],
        "attention_mask": joined(torch.ones_like(places)),
        "segments": joined(torch.arange(1, 4)[:, None].expand_as(places)),
        "position_ids": joined(places),
    }
    gradients = []
    for batch in (alone, together):
        pair.zero_grad()
        out = pair(**batch)
        out.loss.backward()
        gradients.append([out.loss.detach(), *(p.grad.clone() for p in pair.parameters())])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_checkpointing_changes_nothing_but_memory(pair):
    batch = batches()["padded"]
    found = []
    for module in pair.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.2
    for checkpointed in (False, True):
        if checkpointed:
            pair.gradient_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(0)
        pair.train().zero_grad()
        loss = pair(**batch).loss
        loss.backward()
        found.append([loss.detach(), *(p.grad.clone() for p in pair.parameters())])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_in_half_precision_losses_norms_and_statistics_stay_in_float32():
    pair, batch = make_pair().train(), batches()["padded"]
    norms = []

    def note(norm, given, result):
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            exact = torch.nn.functional.layer_norm(
                given[0].float(), norm.normalized_shape, norm.weight, norm.bias, norm.eps
            )
        norms.append(torch.equal(result, exact.to(result.dtype)))

    for module in pair.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.register_forward_hook(note)
    with torch.autocast("cpu", torch.bfloat16):
        out = pair(**batch)
    out.loss.backward()
    assert norms and all(norms)  # at most their results are rounded
    assert {out.loss.dtype, out.token_nll.dtype, out.disc_logits.dtype} == {torch.float32}
    assert out.statistics.dtype == torch.float64
    assert {p.dtype for p in pair.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in pair.parameters()} == {torch.float32}


@pytest.mark.parametrize(("share", "tables"), [("all", 1), ("none", 2)])
def test_tied_tables_stand_once_in_file_and_optimiser(tmp_path, share, tables):
    pair = make_pair(share=share)
    names = [name for name, _ in pair.named_parameters() if "word_embeddings" in name]
    names += [name for name, _ in pair.named_parameters() if "lm_head.weight" in name]
    assert len(names) == tables
    pair.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        keys = list(file.keys())
    assert sum("word_embeddings" in key or "lm_head.weight" in key for key in keys) == tables
    assert sum("position_embeddings" in key for key in keys) == tables
    assert sum("embeddings.LayerNorm.weight" in key for key in keys) == tables


def test_saved_and_loaded_it_is_the_same_and_still_tied(tmp_path, pair):
    batch = make_collator()(make_examples([30, 4]))
    expected = pair.eval()(**batch)
    pair.save_pretrained(tmp_path)
    loaded, info = RtdPair.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert torch.equal(loaded.eval()(**batch).loss, expected.loss)
    assert loaded.config.disc_weight == pair.config.disc_weight
    one = loaded.generator.electra.embeddings.word_embeddings.weight
    other = loaded.discriminator.electra.embeddings.word_embeddings.weight
    assert (one is other) == (pair.config.share_embeddings == "all")
    assert loaded.generator.generator_lm_head.weight is one
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_metrics_follow_from_exact_counts():
    batch = make_collator()(make_examples([30, 12, 3]))
    pair = make_pair().eval()
    out = pair(**batch)
    metrics = RtdStatistics.metrics(out.statistics.tolist())
    real = batch["attention_mask"].bool()
    label, doubt = out.replaced[real], out.disc_logits[real] > 0
    recall = (doubt & label).sum() / label.sum()
    specificity = (~doubt & ~label).sum() / (~label).sum()
    expected = {
        "mlm_loss": out.token_nll[batch["chosen"]].mean(),
        "gen_accuracy": out.guessed[batch["chosen"]].double().mean(),
        "disc_accuracy": (label == doubt).double().mean(),
        "disc_recall": recall,
        "disc_balanced_accuracy": (recall + specificity) / 2,
        "disc_precision": (doubt & label).sum() / doubt.sum().clamp(min=1),
        "replaced_rate": label.double().mean(),
        "disc_loss": torch.nn.functional.binary_cross_entropy_with_logits(
            out.disc_logits[real], label.float()
        ),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value.item(), rtol=1e-5, err_msg=name)


def test_losses_of_parts_add_up_to_the_loss_of_the_whole(pair):
    pair = pair.double().eval()
    examples = make_examples([30, 4, 17, 9])
    whole = pair(**make_collator()(examples))
    parts = [make_collator()(examples[:2]), make_collator()(examples[2:])]
    totals = whole.statistics[[2, 4]]
    halves = sum(copy.deepcopy(pair)(**part, totals=totals).loss for part in parts)
    torch.testing.assert_close(halves, whole.loss, rtol=1e-12, atol=0)
