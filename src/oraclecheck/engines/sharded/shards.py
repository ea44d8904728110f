"""A network whose weights are cut into shards, one for each rank: FSDP2, torch's `fully_shard`.

Each weight stays a tensor of its own, a DTensor cut along its first dimension, so that its mask is cut alike and keeps
it shard by shard; FSDP1 would mix weights of several layers into flat ones, and runs on GPUs alone. Weights are float32
when they are gathered too: autocast makes them 16-bit, as on one GPU, and what is measured is measured in float32.
"""

import re
from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from oraclecheck.pruning.masks.network import cut_masks


def shard(network: Any, mesh: DeviceMesh) -> None:
    """Cut a language model in place: its blocks, each gathered when it is its turn, and the rest together.

    The rest is one group, and the vision tower in it, so that all ranks gather the same whether or not they see images.
    """
    blocks = [module for name, module in network.named_modules() if re.fullmatch(network.block, name)]
    for module in (*blocks, network):
        fully_shard(module, mesh=mesh, reshard_after_forward=True)
    cut_masks(network)


def whole_state(network: Any) -> dict[str, Tensor]:
    """The state of a sharded network, on the CPU, for the first rank; nothing for the others, who have to ask too."""
    first, state = dist.get_rank() == 0, {}
    for name, tensor in network.state_dict().items():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if first:
            state[name] = whole.cpu()
    return state
