"""Who a face belongs to: SFace embeddings (Zhong et al. 2021), run by OpenCV.

The similarity of two unit vectors is their cosine. Measured on 60 people of this project's training clips:
0.88 between frames of one clip, 0.82 between clips of one person, 0.09 between people; the authors' threshold
for the same person is 0.363.
"""

from __future__ import annotations

import cv2
import numpy as np

from pdfgc.face.mesh import LEFT_EYE, LIPS_OUTER, RIGHT_EYE
from pdfgc.face.tracker import Face
from pdfgc.weights import locate

SAME_PERSON = 0.363
"""Cosine from which SFace's authors call two faces one person."""

INPUT_SIDE = 112
"""Pixels of SFace's aligned input."""

ARCFACE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where ArcFace (Deng et al. 2019) puts the subject's right eye, left eye, nose tip and the mouth's right and
left corner in the 112 px input."""

NOSE_TIP = 4


class FaceIdentity:
    """Embeds faces. Not thread-safe.

    Raises:
        InputError: the weights (`sface`) are neither here nor reachable.
    """

    def __init__(self) -> None:
        self._network = cv2.dnn.readNetFromONNX(str(locate("sface")))

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        """The `[128]` float32 unit vector of a face of the picture `[H, W, 3]` uint8 RGB."""
        return self.embed_aligned(align(image, face))

    def embed_aligned(self, aligned: np.ndarray) -> np.ndarray:
        """The `[128]` float32 unit vector of an aligned face `[112, 112, 3]` uint8 RGB."""
        if aligned.shape != (INPUT_SIDE, INPUT_SIDE, 3):
            raise ValueError(
                f"expected an aligned face [{INPUT_SIDE}, {INPUT_SIDE}, 3], got {list(aligned.shape)}"
            )
        self._network.setInput(cv2.dnn.blobFromImage(aligned), "data")  # OpenCV 5 wants the input's name
        vector = self._network.forward()[0].astype(np.float32)
        return vector / np.linalg.norm(vector)


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two unit vectors, -1..1."""
    return float(a @ b)


def align(image: np.ndarray, face: Face) -> np.ndarray:
    """The face `[112, 112, 3]`, turned, scaled and shifted so that its five points lie as SFace expects."""
    to_index = 0.5  # meshes count from the picture's corner, warpAffine from the middle of its first pixel
    matrix = similarity_transform(five_points(face.mesh) - to_index, ARCFACE_POINTS)
    return cv2.warpAffine(image, matrix, (INPUT_SIDE, INPUT_SIDE), flags=cv2.INTER_LINEAR)


def five_points(mesh: np.ndarray) -> np.ndarray:
    """Mesh `[478, 3]` to `[5, 2]`: right eye, left eye, nose tip, mouth's right and left corner.

    Eyes are the middle of their corners, which gaze and blinks leave alone.
    """
    points = mesh[:, :2]
    eyes = [(points[loop[0]] + points[loop[8]]) / 2 for loop in (RIGHT_EYE, LEFT_EYE)]
    return np.stack([*eyes, points[NOSE_TIP], points[LIPS_OUTER[0]], points[LIPS_OUTER[10]]])


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The `[2, 3]` turn, scale and shift that takes points `[N, 2]` nearest to `target` (Umeyama 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    turn_scale = (u * sign) @ vt * ((singular * sign).sum() / (a**2).sum())
    return np.column_stack([turn_scale, target_mean - turn_scale @ source_mean])
