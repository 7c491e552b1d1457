"""The appearance encoder's two kinds."""

from __future__ import annotations

import torch

from pdfgc.networks.paper.appearance import AppearanceEncoder


def test_sizes_are_the_published_ones() -> None:
    counts = {}
    for kind in ("resnext50", "resnet50"):
        with torch.device("meta"):
            network = AppearanceEncoder(kind)
        counts[kind] = sum(weight.numel() for weight in network.model.parameters())
    # torchvision's 25 028 904 and 25 557 032 less the classifiers of 1000 x 2049
    assert counts == {"resnext50": 22_979_904, "resnet50": 23_508_032}


def test_narrow_ones_give_narrow_vectors_and_maps() -> None:
    network = AppearanceEncoder("resnet50", width=8, map_channels=6).eval()
    with torch.no_grad():
        vector, start = network(torch.rand(2, 3, 64, 64))
    assert vector.shape == (2, AppearanceEncoder.vector_size(8)) == (2, 256)
    assert start.shape == (2, 6, 2, 2)
