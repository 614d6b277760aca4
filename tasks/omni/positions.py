"""Positions of an item's tokens in time, height and width, for the language model's rotary embedding (M-RoPE).

Text and sound count on by one in all three. A clip's tokens start where the text stopped: time by pair of frames,
one second and so 25 positions a pair whatever the clip's length, height and width by place in the frame. What
follows goes on after the largest. Equal to `get_rope_index` of transformers' Qwen2.5-Omni with
`video_second_per_grid` 1.0, without its walk over the tokens of each item.
"""

from __future__ import annotations

import torch


def position_ids(
    length: int, first: int, grid: tuple[int, int, int] | None, merge: int, per_second: int
) -> torch.Tensor:
    """Positions, int64 (3, length).

    Args:
        length: tokens of the item, without padding.
        first: index of the first video token; any number without a clip.
        grid: the clip's (pairs of frames, patches down, patches across), or None.
        merge: patches a side that become one token.
        per_second: positions a second.
    """
    if grid is None:
        return torch.arange(length).expand(3, -1)
    t, h, w = grid[0], grid[1] // merge, grid[2] // merge
    clip = torch.cartesian_prod(torch.arange(t) * per_second, torch.arange(h), torch.arange(w)).T + first
    rest = torch.arange(length - first - t * h * w) + int(clip.max()) + 1
    return torch.cat([torch.arange(first).expand(3, -1), clip, rest.expand(3, -1)], dim=1)
