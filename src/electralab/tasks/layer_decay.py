"""Learning rates that fall from layer to layer (Clark et al. 2020, appendix B)."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel


def layer_scales(model: PreTrainedModel, *, decay: float) -> dict[str, float]:
    """Returns each parameter's share of the learning rate.

    A layer has `decay` times the rate of the one above it: the head learns at the full rate, the
    last of n layers at decay, the first at decayⁿ, the embeddings at decayⁿ⁺¹. (The paper's own
    code starts the last layer at decay².) What a model holds behind its stack of layers, such as a
    pooler, is part of the head; what stands before or inside of it, such as tables of relative
    positions, belongs to the embeddings.

    Args:
        model: An encoder with a head.
        decay: Above 0, up to 1.
    """
    base = model.base_model
    stacks = {n: m for n, m in base.named_modules() if isinstance(m, nn.ModuleList) and len(m)}
    depth = max(map(len, stacks.values()), default=0)
    stack = next((name for name, layers in stacks.items() if len(layers) == depth), "")
    # The children of the base model that stand behind the one with the layers.
    children = [name for name, _ in base.named_children()]
    top = stack.partition(".")[0]
    behind = set(children[children.index(top) + 1 :]) if top in children else set()

    prefix = next((f"{name}." for name, module in model.named_modules() if module is base), "")
    scales = {}
    for name, _ in model.named_parameters():
        inner = name.removeprefix(prefix)
        if not name.startswith(prefix) or inner.partition(".")[0] in behind:
            scales[name] = 1.0
        elif stack and inner.startswith(f"{stack}."):
            layer = int(inner.removeprefix(f"{stack}.").partition(".")[0])
            scales[name] = decay ** (depth - layer)
        else:
            scales[name] = decay ** (depth + 1)
    return scales
