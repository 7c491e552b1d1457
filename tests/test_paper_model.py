"""Preset `paper` in use: the authors' inference restated, aligned pictures, any photo."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from paper_files import write_paper_model
from pdfgc.aligned import read_aligned
from pdfgc.avatar import Avatar
from pdfgc.cli import main
from pdfgc.errors import InputError
from pdfgc.face.crop import head_box
from pdfgc.face.paper_view import view_box
from pdfgc.face.tracker import Face
from pdfgc.media.audio import SPEECH_RATE
from pdfgc.model import Model, load
from pdfgc.motion import FACTORS, MotionTrack
from pdfgc.networks.mel import log_mel, paper_filters, paper_window, to_rms
from pdfgc.paper_model import PaperModel
from test_avatar import write_wav

FPS = Fraction(25)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_paper_model(tmp_path_factory.mktemp("model") / "paper.safetensors")


@pytest.fixture(scope="module")
def model(file: Path) -> PaperModel:
    loaded = load(file, device="cpu")
    assert isinstance(loaded, PaperModel)
    return loaded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve aligned pictures of noise."""
    (tmp_path / "aligned").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (12, 7, 7, 3), np.uint8)
    for number, small in enumerate(pixels):
        picture = cv2.resize(small, (224, 224), interpolation=cv2.INTER_CUBIC)
        Image.fromarray(picture).save(tmp_path / "aligned" / f"{number:03}.png")
    return tmp_path / "aligned"


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    time = np.arange(SPEECH_RATE * 12 // 25) / SPEECH_RATE
    wave = 0.2 * np.sin(2 * np.pi * 220 * time) * (1 + np.sin(2 * np.pi * 5 * time)) / 2
    write_wav(tmp_path / "speech.wav", wave)
    return tmp_path / "speech.wav"


def pictures(folder: Path) -> torch.Tensor:
    """Their pre-processing, restated: 224 px, `[:192, 16:208]`, back, -1..1."""
    read = [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]
    cut = [cv2.resize(picture[:192, 16:208], (64, 64)) for picture in read]  # the tiny networks see 64 px
    return torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).float() / 255 * 2 - 1


def test_codes_are_those_of_the_authors_inference(
    model: PaperModel, folder: Path, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spec section 4, line by line, against the track that `animate` renders."""
    monkeypatch.setattr("pdfgc.devices.half_precision", lambda kind: None)
    avatar = model.avatar(folder / "000.png", aligned=True)
    folder_text = str(folder)
    track = avatar.animate(
        audio=speech, pose=folder_text, eyes=folder_text, expression=folder_text, fps=25
    ).track

    with torch.inference_mode():
        seen = model.motion(pictures(folder))
        wave = to_rms(torch.from_numpy(_read(speech)))
        mel = log_mel(wave[None], paper_filters(), paper_window())[0]
        padded = torch.nn.functional.pad(mel, (20, 40))
        patches = torch.stack([padded[:, 20 + (n - 2) * 4 :][:, :20] for n in range(12)])[:, None]
        lips = 1.5 * model.speech.mouth_embed(model.speech.model(patches))
    pose = torch.stack([seen["pose"][max(n - 1, 0) : n + 2].mean(0) for n in range(12)])
    taps = np.exp([-0.5, 0, -0.5]) / np.exp([-0.5, 0, -0.5]).sum()
    smooth = sum(taps[k] * lips[k : k + 10].numpy() for k in range(3))
    assert len(track) == 12
    assert np.allclose(track.expression, 1.2 * seen["expression"].numpy(), atol=1e-5)
    assert np.allclose(track.eyes, 1.2 * seen["eyes"].numpy(), atol=1e-5)
    assert np.allclose(track.pose, pose.numpy(), atol=1e-5)
    assert np.allclose(track.lips[1:11], smooth, atol=1e-4)


def _read(path: Path) -> np.ndarray:
    from pdfgc.media.audio import stream_audio

    return np.concatenate(list(stream_audio(path, SPEECH_RATE))).astype(np.float32)


def test_frames_are_the_generators(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdfgc.devices.half_precision", lambda kind: None)
    monkeypatch.setattr("pdfgc.paper_model.half_precision", lambda kind: None)
    model = load(file, device="cpu")
    assert isinstance(model, PaperModel)
    track = read_aligned(folder, model)
    avatar = model.avatar(folder / "003.png", aligned=True)
    frames = np.stack(list(avatar.animate(track=track, smooth=0, size=64)))[:2]
    portrait = pictures(folder)[3:4]
    with torch.inference_mode():
        vector, start = model.appearance(portrait)
        codes = [torch.from_numpy(track.codes[name][:2]) for name in ("lips", "expression", "eyes", "pose")]
        style = torch.cat([vector.expand(2, -1), *codes], 1)
        painted = model.generator(start.expand(2, -1, -1, -1), style)
    expected = ((painted + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(frames - expected).max() <= 1
    assert frames.std() > 5


def test_a_photo_is_seen_as_voxceleb_cuts_it(
    model: PaperModel, astronaut: np.ndarray, astronaut_face: Face
) -> None:
    avatar = Avatar(model, astronaut)
    box = view_box(head_box([astronaut_face]))
    assert avatar.box.side == pytest.approx(box.side, rel=0.02)
    assert avatar.codes["lips"].shape == (500,)


def test_any_photo_and_sound_make_a_video(
    file: Path, tmp_path: Path, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = Path(__file__).parents[1] / "demo" / "astronaut.jpg"
    out = tmp_path / "out.mp4"
    words = [
        "animate",
        photo,
        "--audio",
        speech,
        "--pose",
        "zero",
        "--eyes",
        "hold",
        "--model",
        file,
        "-o",
        out,
    ]
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    assert "12 frames of 64x64 pixels" in capsys.readouterr().out
    track = MotionTrack.load(tmp_path / "out.motion.safetensors")
    assert not track.pose.any() and track.eyes.any() and track.lips.std() > 0


def test_aligned_folders_make_tracks(
    file: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["motion", folder, "--aligned", "--model", file, "-o", tmp_path / "a.safetensors"]
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    assert len(MotionTrack.load(tmp_path / "a.safetensors")) == 12
    assert main([str(word) for word in [*words[:3], "-o", tmp_path / "b.safetensors"]]) == 2
    assert "aligned pictures are for models of preset paper" in capsys.readouterr().err


def test_codes_of_a_long_driver_are_held_once(model: PaperModel, monkeypatch: pytest.MonkeyPatch) -> None:
    length = 4000
    picture = np.zeros((224, 224, 3), np.uint8)
    frames = ((picture, Fraction(n, 25)) for n in range(length))
    monkeypatch.setattr("pdfgc.aligned.frames_until", lambda *_: frames)
    monkeypatch.setattr(model, "cut_aligned", lambda _: picture[:1, :1])
    monkeypatch.setattr(
        model,
        "encode_pictures",
        lambda crops: {name: np.ones((len(crops), size), np.float32) for name, size in FACTORS.items()},
    )
    tracemalloc.start()
    try:
        track = read_aligned("long.mp4", model)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(track) == length
    assert peak < 1.7 * 4 * length * sum(FACTORS.values())


def test_the_blink_and_gaze_of_the_release(model: PaperModel, folder: Path) -> None:
    track = read_aligned(folder, model)
    avatar = model.avatar(folder / "000.png", aligned=True)
    made = avatar.animate(track=track, eyes="zero", gaze=str(folder), smooth=0).track
    assert np.allclose(made.eyes[:, 2:4], track.eyes[:, 2:4], atol=1e-6)
    assert not made.eyes[:, [0, 1, 4, 5]].any()


def test_pictures_that_are_not_square_and_smoothing_of_choice(model: PaperModel, folder: Path) -> None:
    with pytest.raises(InputError, match="square, but one is 100 x 80"):
        model.cut_aligned(np.zeros((80, 100, 3), np.uint8))
    assert model.cut_aligned(np.zeros((448, 448, 3), np.uint8)).shape == (64, 64, 3)
    track = read_aligned(folder, model)
    assert np.array_equal(model.smooth(track, 0).pose, track.pose)
    wide = model.smooth(track, 2)
    assert wide.pose[5] == pytest.approx(track.pose[3:8].mean(0), abs=1e-6)
    assert np.array_equal(wide.lips, track.lips)


def test_it_is_loaded_without_torchs_compiler(file: Path) -> None:
    """Whose parts, sympy among them, take longer to import than the weights to read."""
    words = f"import sys, pdfgc; pdfgc.load({str(file)!r}, device='cpu'); assert 'sympy' not in sys.modules"
    subprocess.run([sys.executable, "-c", words], check=True)


def test_the_file_says_which_networks(file: Path, model: PaperModel) -> None:
    assert isinstance(load("small", device="cpu"), Model)
    assert model.preset == "paper_tiny" and model.size == 64
    assert load(file, device="cpu").fingerprint == model.fingerprint
