"""Catmull-Clark subdivision as one linear map, so that a shape is blended coarse and smoothed once a frame."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor


def catmull_clark(quads: np.ndarray, vertices: int) -> tuple[Tensor, np.ndarray]:
    """One step of Catmull and Clark's scheme (1978), with straight borders.

    Args:
        quads: `[Q, 4]` vertex numbers around each face.
        vertices: V, how many vertices there are.

    Returns:
        The sparse CSR map `[W, V]` from old to new vertices, W = V + edges + Q, the old ones first; and the new
        faces `[4 Q, 4]`, four in a row for each old one.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse")  # torch's remarks on the state of its sparse matrices
        return _catmull_clark(quads, vertices)


def _catmull_clark(quads: np.ndarray, vertices: int) -> tuple[Tensor, np.ndarray]:
    count = len(quads)
    sides = np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2)
    edges, edge_of_side = np.unique(np.sort(sides, 1), axis=0, return_inverse=True)
    edge_of_side = edge_of_side.reshape(count, 4)
    faces_of_edge = np.bincount(edge_of_side.ravel(), minlength=len(edges))

    face_points = _average(np.repeat(np.arange(count), 4), quads.ravel(), (count, vertices))
    middles = _average(np.repeat(np.arange(len(edges)), 2), edges.ravel(), (len(edges), vertices))
    beside = _average(edge_of_side.ravel(), np.repeat(np.arange(count), 4), (len(edges), count))
    inner_edge = faces_of_edge == 2
    edge_points = _rows(1 - 0.5 * inner_edge) @ middles + _rows(0.5 * inner_edge) @ (beside @ face_points)

    rim = edges[~inner_edge]
    on_rim = np.zeros(vertices, bool)
    on_rim[rim] = True
    valence = np.maximum(np.bincount(edges.ravel(), minlength=vertices), 3)
    faces_around = _average(quads.ravel(), np.repeat(np.arange(count), 4), (vertices, count))
    edges_around = _average(edges.ravel(), np.repeat(np.arange(len(edges)), 2), (vertices, len(edges)))
    rim_around = _average(rim.ravel(), np.repeat(np.flatnonzero(~inner_edge), 2), (vertices, len(edges)))
    inner = ~on_rim
    vertex_points = (
        _rows(inner / valence) @ (faces_around @ face_points)
        + _rows(inner * 2 / valence) @ (edges_around @ middles)
        + _rows(np.where(inner, (valence - 3) / valence, 0.5))
        + _rows(0.5 * on_rim) @ (rim_around @ middles)
    )
    operator = torch.cat([part.coalesce() for part in (vertex_points, edge_points, face_points)])

    edge_points_of = vertices + edge_of_side
    centre = np.broadcast_to((vertices + len(edges) + np.arange(count))[:, None], (count, 4))
    fine = np.stack([quads, edge_points_of, centre, np.roll(edge_points_of, 1, 1)], -1)
    return operator.coalesce().float().to_sparse_csr(), fine.reshape(-1, 4)


def _average(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> Tensor:
    """A sparse matrix whose rows average the given columns; rows that are not named stay empty."""
    share = 1 / np.maximum(np.bincount(rows, minlength=shape[0]), 1)
    place = torch.from_numpy(np.stack([rows, columns]).astype(np.int64))
    return torch.sparse_coo_tensor(place, torch.from_numpy(share[rows]), shape).coalesce()


def _rows(scale: np.ndarray) -> Tensor:
    """A sparse diagonal matrix."""
    place = torch.arange(len(scale)).expand(2, -1)
    return torch.sparse_coo_tensor(place, torch.from_numpy(np.asarray(scale, np.float64)), (len(scale),) * 2)
