"""What only preset `paper` has to be configured: its networks' sizes, its teachers, and how frames are augmented."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class PaperNetworks:
    """Sizes of the networks; the defaults are the published ones (spec 2)."""

    appearance: Literal["resnext50", "resnet50"] = "resnext50"
    """E_app: as in the authors' release, or as in the paper."""
    appearance_width: int = 64
    """Channels after its first convolution; its vector has 32 times as many entries."""
    motion: int = 512
    """Size of the unified motion feature and of the heads' layers."""
    motion_channels: int = 256
    """Channels of the hourglass of E_mot."""
    motion_depth: int = 4
    """Halvings inside the hourglass."""
    landmarks: int = 68
    """Heat-maps of E_mot."""
    speech_hidden: int = 256
    """Channels of the last layer of E_aud."""
    generator_channels: tuple[int, ...] = (512, 512, 512, 512, 256, 128)
    """Of G0 and G, one entry per scale from 1/32 of the picture's side on."""
    discriminator_channels: int = 64
    """Of D's first block; they double up to `discriminator_most`."""
    discriminator_most: int = 512
    discriminator_blocks: int = 7


@dataclass(frozen=True)
class Teachers:
    """Pretrained networks that training looks at: which, and where their files lie when they are not ours to ship."""

    face: Literal["mediapipe", "emoca"] = "mediapipe"
    """3-D face and emotion features of L_mot (eq. 1)."""
    face_file: str = ""
    """EMOCA's encoders, as its authors distribute them."""
    gaze: Literal["iris", "l2cs"] = "iris"
    """Gaze of L_con (eq. 8): iris geometry, or L2CS-Net's angles."""
    gaze_file: str = ""
    """L2CS-Net's state dict."""
    perceptual: Literal["lpips_vgg", "lpips_alex", "vgg19"] = "lpips_vgg"
    """L_vgg (eq. 7): LPIPS on VGG16 or AlexNet, or the paper's plain VGG19 features."""
    perceptual_file: str = ""
    """torchvision's `vgg19-dcbb9e9d.pth` for `vgg19`; for the others a file in place of the registered one."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a frame; standard deviations, 0 switches one off."""

    rotate: float = 0.0
    """Turn in radians."""
    scale: float = 0.0
    """Natural logarithm of the size."""
    stretch: float = 0.0
    """Natural logarithm of width over height."""
    shift: float = 0.0
    """Parts of the picture's side; with `scale` this also crops."""
    colour: float = 0.0
    """Natural logarithms of brightness, gamma, saturation and, at three tenths of it, tint."""
    blur: float = 0.0
    """Probability of a blur of 0.3 to 1.5 pixels at a side of 224."""


@dataclass(frozen=True)
class PaperUse:
    """How the authors' release uses the networks (spec 4); 1 for gains and 0 for the others switch them off."""

    lips_gain: float = 1.5
    """Factor on lip codes: the networks average over what they cannot tell, so codes come out too small."""
    expression_gain: float = 1.2
    eyes_gain: float = 1.2
    pose_mean: int = 3
    """Frames, an odd number, over which a driver's pose is averaged."""
    lips_taps: int = 3
    """Frames, an odd number, that the Gaussian over lip codes of speech reaches."""
    lips_sigma: float = 1.0
    """Its standard deviation in frames."""
    margin: int = 16
    """Pixels of 224 cut off an aligned picture left and right, and twice as many below, before it is seen."""


@dataclass(frozen=True)
class Paper:
    """The settings of preset `paper`; presets of the other family leave them alone."""

    networks: PaperNetworks = field(default_factory=PaperNetworks)
    use: PaperUse = field(default_factory=PaperUse)
    teachers: Teachers = field(default_factory=Teachers)
    motion: Augmentation = field(
        default_factory=lambda: Augmentation(
            rotate=0.05, scale=0.1, stretch=0.1, shift=0.03, colour=0.25, blur=0.3
        )
    )
    """Of E_mot's frames: they may not carry identity (3.1). The turn is small, for the pose has to be read too."""
    window: Augmentation = field(
        default_factory=lambda: Augmentation(rotate=0.17, scale=0.1, shift=0.03, colour=0.2)
    )
    """Of the frames that an expression code is averaged over (3.3): turn, size, colours."""
    portrait_gap: float = 0.0
    """Seconds that portrait and driving frame are apart at least, where the clip is long enough."""
    seen_lips: float = 0.2
    """Share of stage 3's items whose lips are driven by the picture instead of the sound, so that videos can, too."""
    generator_from: Literal["stage1", "nothing"] = "stage1"
    """What G begins stage 3 with: what G0 has learnt in stage 1, or nothing."""
    adversarial_from: int = 1000
    """The first step at which the discriminator learns and the generator listens to it. One that had learnt alone
    before had won: its loss was 0, and it had nothing left to teach."""
    teachers_from: int = 2000
    """The first step at which L_mot and L_con teach the generator: of what is no face yet, their gradients are a
    some thirty times as large, and say nothing."""
