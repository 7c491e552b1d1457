"""Who looks at videos: the tracker and the networks, each loaded when first needed, each look kept on disk."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from pdfgc.errors import InputError, NoSoundError
from pdfgc.evaluation.evidence import Evidence, Identity, Tracker, collect
from pdfgc.evaluation.features import Extractor, frame_features, inception_extractor, vgg_extractor
from pdfgc.evaluation.identity import STRIDE
from pdfgc.evaluation.metrics.lpips import STRIDE as LPIPS_STRIDE
from pdfgc.evaluation.metrics.lse import SHIFT, mean_distances
from pdfgc.evaluation.pixels import Distance, compare_by_eye, compare_pixels, lpips_distance
from pdfgc.evaluation.reconstruction import reconstruct
from pdfgc.evaluation.store import Arrays, ArrayStore
from pdfgc.evaluation.sync_judge import SyncJudge, judge_path, load_hearing, load_judge
from pdfgc.evaluation.sync_track import sync_features
from pdfgc.evaluation.syncnet import SyncNet, load_syncnet
from pdfgc.networks.speech import WhisperTrunk
from pdfgc.priors.face_features import FaceTeacher


class Judges:
    """Looks at videos, each thing once.

    Args:
        tracker, identity: look at faces.
        store: where what was seen is kept.
        syncnet: SyncNet's published weights, or None where they are not at hand.
        inception: FID's published weights, or None.
        emoca: EMOCA's checkpoint, or None.
    """

    def __init__(
        self,
        tracker: Tracker,
        identity: Identity,
        store: ArrayStore,
        *,
        syncnet: Path | None = None,
        inception: Path | None = None,
        emoca: Path | None = None,
    ) -> None:
        for path in (syncnet, inception, emoca):
            if path is not None and not path.is_file():
                raise InputError(f"expected a file of weights at {path}, but there is none")
        self.tracker = tracker
        self.identity = identity
        self.store = store
        self.syncnet = syncnet
        self.inception = inception
        self.emoca = emoca

    def load_given(self) -> None:
        """Loads the weights that were given, so that bad ones are told of before any video is made.

        Raises:
            InputError: a file that holds other things than the weights it was given for.
        """
        if self.syncnet is not None:
            _ = self._syncnet
        if self.inception is not None:
            _ = self._inception
        if self.emoca is not None:
            _ = self._emoca

    def evidence(self, path: Path) -> Evidence:
        """What is seen of the face in a video or folder of frames."""
        from pdfgc.media.video import read_frames

        def look() -> Arrays:
            frames = ((float(frame.time), frame.image) for frame in read_frames(path))
            return collect(frames, self.tracker, self.identity).to_arrays()

        arrays = self.store.get(
            look,
            evidence=self.store.digest(path),
            identity_stride=STRIDE,
            identity=type(self.identity).__name__,
        )
        return Evidence.from_arrays(arrays)

    def pixels(self, generated: Path, truth: Path, rows: tuple[np.ndarray, np.ndarray]) -> Arrays:
        """PSNR and SSIM of matching frames, see `compare_pixels`."""
        return self.store.get(
            lambda: compare_pixels(generated, truth, rows),
            pixels=[self.store.digest(generated), self.store.digest(truth)],
            rows=_plain(rows),
        )

    def by_eye(self, generated: Path, truth: Path, rows: tuple[np.ndarray, np.ndarray]) -> Arrays:
        """LPIPS of matching frames, see `compare_by_eye`.

        Raises:
            InputError: its weights are neither here nor reachable.
        """

        def look() -> Arrays:
            if isinstance(self._lpips, str):
                raise InputError(self._lpips)
            return compare_by_eye(generated, truth, rows, self._lpips)

        return self.store.get(
            look,
            by_eye=[self.store.digest(generated), self.store.digest(truth)],
            rows=_plain(rows),
            stride=LPIPS_STRIDE,
        )

    def reconstruction(self, path: Path) -> Arrays:
        """EMOCA's coefficients of every frame, see `reconstruct`; only where its file is at hand."""
        return self.store.get(
            lambda: reconstruct(path, self.evidence(path), self._emoca),
            reconstruction=self.store.digest(path),
            weights=self._weights(self.emoca),
        )

    def vgg_features(self, path: Path) -> np.ndarray:
        """`[N, 512]`, see `vgg_extractor`."""
        return self._features(path, "vgg")

    def inception_features(self, path: Path) -> np.ndarray:
        """`[N, 2048]` of FID's Inception; only where its weights are at hand."""
        return self._features(path, "inception")

    def sync_distances(self, path: Path) -> tuple[np.ndarray, int] | None:
        """Of SyncNet, see `metrics.lse.mean_distances`, and the frames they rest on; None where it sees nothing.

        Raises:
            NoSoundError: the video has no sound.
            InputError: its sound cannot be read.
        """
        audio = read_sound(path)

        def look() -> Arrays:
            features = sync_features(path, audio, self.evidence(path), self._syncnet)
            if features is None:
                return {"distances": np.zeros(0), "frames": np.zeros(1)}
            distances = mean_distances(features.lips, features.sound)
            return {"distances": distances, "frames": np.array([len(features.lips)])}

        arrays = self.store.get(
            look, sync=self.store.digest(path), weights=self._weights(self.syncnet), shift=SHIFT
        )
        return (arrays["distances"], int(arrays["frames"][0])) if len(arrays["distances"]) else None

    def sync_small_distances(self, path: Path) -> tuple[np.ndarray, int]:
        """Of our own sync judge, see `sync_small.sync_small_distances`.

        Raises:
            NoSoundError: the video has no sound.
            InputError: its sound cannot be read.
        """
        from pdfgc.evaluation.sync_small import sync_small_distances

        audio = read_sound(path)

        def look() -> Arrays:
            distances, frames = sync_small_distances(path, audio, self.evidence(path), *self._sync_judge)
            return {"distances": distances, "frames": np.array([frames])}

        arrays = self.store.get(look, sync_small=self.store.digest(path), weights=self.sync_judge_digest)
        return arrays["distances"], int(arrays["frames"][0])

    @property
    def sync_judge_digest(self) -> str:
        """SHA-256 of the weights of our own sync judge."""
        return self.store.digest(judge_path())

    def _features(self, path: Path, kind: str) -> np.ndarray:
        weights = self._weights(self.inception) if kind == "inception" else "lpips_vgg"
        return self.store.get(
            lambda: {"features": frame_features(path, self._inception if kind == "inception" else self._vgg)},
            features=self.store.digest(path),
            weights=weights,
        )["features"]

    def _weights(self, path: Path | None) -> str:
        if path is None:
            raise InputError("no weights were named")
        return self.store.digest(path)

    @cached_property
    def _lpips(self) -> Distance | str:
        """LPIPS, or why there is none: a server that cannot be reached is not asked again for every clip."""
        try:
            return lpips_distance()
        except InputError as error:
            return str(error)

    @cached_property
    def _vgg(self) -> Extractor:
        return vgg_extractor()

    @cached_property
    def _inception(self) -> Extractor:
        if self.inception is None:
            raise InputError("FID needs Inception's weights")
        return inception_extractor(self.inception)

    @cached_property
    def _sync_judge(self) -> tuple[SyncJudge, WhisperTrunk]:
        return load_judge(), load_hearing()

    @cached_property
    def _emoca(self) -> FaceTeacher:
        from pdfgc.priors.emoca import EmocaTeacher

        if self.emoca is None:
            raise InputError("the 3-D reconstructor needs EMOCA's checkpoint")
        return EmocaTeacher(self.emoca)

    @cached_property
    def _syncnet(self) -> SyncNet:
        if self.syncnet is None:
            raise InputError("LSE needs SyncNet's weights")
        return load_syncnet(self.syncnet)


def _plain(rows: tuple[np.ndarray, np.ndarray]) -> list[list[int]]:
    return [[int(row) for row in side] for side in rows]


def read_sound(path: Path) -> np.ndarray:
    """Sound of a video, see `read_audio`.

    Raises:
        NoSoundError: a folder of pictures, or a video without sound.
        InputError: the sound cannot be read.
    """
    from pdfgc.media.audio import read_audio

    if path.is_dir():
        raise NoSoundError(f"{path} is a folder of pictures, which have no sound")
    return read_audio(path)
