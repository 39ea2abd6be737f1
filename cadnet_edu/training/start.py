"""Initialise all networks from the weights of another run; other weight files initialise E and F only."""

from pathlib import Path

import torch
from torch import Tensor, nn

OPTIONAL = ("D_F.", "D_I.", "C.fc.", "branch_C.")  # need not fit: they depend on losses, image size and identities


def weights_of_a_run(weights: str) -> dict[str, Tensor] | None:
    """The weights of all networks in a run's ``checkpoint.pt``, or in a file that ``cadnet-edu export`` wrote.

    Args:
        weights: as in ``ModelConfig.weights``.

    Returns:
        parameter name -> tensor; None for ``imagenet``, ``none``, and a file of no run.
    """
    path = Path(weights)
    if not path.is_file():
        return None
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # `cadnet_edu.models.backbone.load_weights` reports the error
        return None
    state = state.get("net", state) if isinstance(state, dict) else {}
    return state if isinstance(state, dict) and any(str(name).startswith("E.resnet.") for name in state) else None


def start_from(net: nn.Module, state: dict[str, Tensor], weights: str) -> None:
    """Load the weights of a run into a new network.

    Discriminators and classifiers that the run lacks, or has for another number of identities, stay random.

    Args:
        net: the new network.
        state: from ``weights_of_a_run``.
        weights: the file, for messages.

    Raises:
        ValueError: when the weights of E, G, F or C do not fit, or are not finite.
    """
    own = net.state_dict()
    fits = {name: t for name, t in state.items() if name in own and own[name].shape == t.shape}
    unfit = [name for name in sorted({*own, *state} - {*fits}) if not name.startswith(OPTIONAL)]
    broken = [name for name, t in fits.items() if not t.isfinite().all()]
    if unfit:
        raise ValueError(
            f"weights = {weights!r} do not fit this network ({unfit[0]} and {len(unfit) - 1} more). Give the method, "
            "backbone and widths of the run that they come from; its config.json holds them."
        )
    if broken:
        raise ValueError(f"weights = {weights!r}: {broken[0]} holds a number that is not finite. Take another file.")
    net.load_state_dict({**own, **fits})
