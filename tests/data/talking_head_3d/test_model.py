from pathlib import Path

import numpy as np
import pytest

from pdfgc.data.talking_head_3d.model import EYES, PARTS, load_model, read_ict
from pdfgc.errors import InputError

MODEL = load_model()


def write_ict(path: Path, **changes: np.ndarray) -> Path:
    """A head of eight vertices in ICT-FaceKit's arrays: two eyes and a face."""
    vertices = np.array(
        [(-4, 3, 8), (-2, 5, 9), (-3, 4, 10), (4, 3, 8), (2, 5, 9), (3, 4, 10), (0, -5, 11), (0, -30, 0)],
        np.float32,
    )
    arrays = {
        "neutral": vertices,
        "faces": np.array([(0, 1, 2), (3, 4, 5), (5, 6, 7), (0, 6, 7)], np.int32),
        "material_id": np.array([1, 2, 0, 3], np.int8),
        "materials": np.array(["M_Face", "M_ScleraRight", "M_ScleraLeft", "M_LacrimalFluid"]),
        "identity": np.ones((2, 8, 3), np.float16),
        "identity_names": np.array(["identity000", "identity001"]),
        "expression": np.stack([np.full((8, 3), 1.0), np.full((8, 3), 2.0), np.full((8, 3), 4.0)]),
        "expression_names": np.array(["mouthSmile_L", "mouthSmile_R", "jawOpen"]),
    }
    np.savez(path, **(arrays | changes))  # type: ignore[arg-type]
    return path


def test_the_eyes_of_anny_stand_where_the_canonical_face_has_them() -> None:
    fine = MODEL.fine(MODEL.vertices)
    right, left = fine[MODEL.part("right_eye")], fine[MODEL.part("left_eye")]
    np.testing.assert_allclose((right.mean(0) + left.mean(0)) / 2, EYES, atol=0.1)
    assert left[:, 0].mean() > 2.5  # the subject's left is to the image's right
    assert len(MODEL.triangles) == len(MODEL.triangle_part)
    assert set(np.unique(MODEL.triangle_part)) == set(range(len(PARTS)))


def test_anny_knows_the_52_actions_by_arkits_names() -> None:
    assert len(MODEL.action_names) == 52
    both = MODEL.act({"mouthSmile": 0.5})
    np.testing.assert_allclose(both, MODEL.act({"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}))
    assert np.abs(both).max() > 0.3
    with pytest.raises(ValueError, match="got mouthSmirk"):
        MODEL.act({"mouthSmirk": 1.0})


def test_opening_the_jaw_lowers_chin_and_lower_lip_alone() -> None:
    assert MODEL.landmarks is not None
    moved = MODEL.fine(MODEL.act({"jawOpen": 1.0}))
    point = (moved[MODEL.landmarks.corners] * MODEL.landmarks.weights[..., None]).sum(1)
    assert point[152, 1] < -1.5
    assert point[14, 1] < -1.5
    assert abs(point[13, 1]) < 0.6
    assert np.abs(point[[33, 133, 362, 263, 10]]).max() < 0.05


def test_drawn_people_differ_but_stay_people() -> None:
    random = np.random.default_rng(0)
    people = [MODEL.draw_identity(random) for _ in range(8)]
    kinds = np.array([name.split("/")[0] for name in MODEL.identity_names])
    for person in people:
        assert person[kinds == "person"].sum() == pytest.approx(1)
        assert person[kinds == "whole"].min() >= 0
    shapes = np.stack([MODEL.coarse(person) for person in people])[:, MODEL.vertices[:, 1] > -8]
    assert 0.2 < shapes.std(0).max() < 4


def test_the_neck_bends_and_the_chest_stays() -> None:
    height = MODEL.fine(MODEL.vertices)[:, 1]
    assert MODEL.neck[height > -8].min() == 1
    assert MODEL.neck[height < -15].max() == 0


def test_ict_is_read_with_arkits_names_and_its_parts(tmp_path: Path) -> None:
    model = read_ict(write_ict(tmp_path / "ict.npz"))
    assert model.action_names == ("mouthSmileLeft", "mouthSmileRight", "jawOpen")
    assert model.act({"mouthSmile": 1.0})[0].tolist() == [3, 3, 3]
    assert [PARTS[part] for part in model.triangle_part] == ["right_eye", "left_eye", "skin"]
    np.testing.assert_allclose(model.vertices[2] + model.vertices[5], 2 * np.array((0, 2.55, 3.2)), atol=1e-5)


def test_other_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected ICT-FaceKit's head"):
        load_model(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(InputError, match="expected ICT-FaceKit's head"):
        load_model(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", neutral=np.zeros((3, 3)))
    with pytest.raises(InputError, match="it lacks expression"):
        load_model(tmp_path / "other.npz")
