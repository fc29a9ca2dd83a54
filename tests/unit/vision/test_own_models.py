"""Models of one's own, with networks small enough to know their answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from usher.domain.errors import ConfigurationError
from usher.identity.rules import make_rule
from usher.vision.align import ChipFormat
from usher.vision.cards import EmbedderCard, Eyes
from usher.vision.embed import make_embedder
from usher.vision.own_models import CardDetector, CardEmbedder, cut_of
from usher.vision.runtime import Runtime

ONE = Runtime(threads=1)
BASE = 'id="mine"\nfile="m.onnx"\nlicence="MIT"\n'
EMBEDDER = BASE + 'kind="embedder"\nsize=[8, 8]\n'


def embedder(folder: Path, batch: int | str = "N", factor: float = 1.0, **fields: Any) -> Path:
    """Its vector is the mean of each channel, times `factor`."""
    given = {
        "colour": '"rgb"',
        "layout": '"nchw"',
        "metric": '"euclidean"',
        "dimension": "3",
        **fields,
    }
    nchw = given["layout"] == '"nchw"'
    shape = [batch, 3, 8, 8] if nchw else [batch, 8, 8, 3]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3] if nchw else [1, 2], keepdims=0),
        helper.make_node("Mul", ["m", "k"], ["y"]),
    ]
    save(folder, nodes, shape, {"y": [batch, 3]}, k=np.array(factor, np.float32))
    return card(folder, EMBEDDER, given)


def detector(
    folder: Path, faces: Sequence[Sequence[float]], scores: list[float], **fields: str
) -> Path:
    """It always finds the same."""
    given = {"colour": '"rgb"', "layout": '"nchw"', "boxes": '"b"', "scores": '"s"', **fields}
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "zero"], ["none"]),
        helper.make_node("Add", ["faces", "none"], ["b"]),
        helper.make_node("Add", ["sure", "none"], ["s"]),
        helper.make_node("Add", ["five", "none"], ["p"]),
    ]
    boxes = np.array(faces, np.float32).reshape(-1, 4)
    points = np.repeat(boxes[:, None, :2], 5, axis=1)
    count = len(boxes)
    save(
        folder,
        nodes,
        [1, 3, 50, 100],
        {"b": [count, 4], "s": [count], "p": [count, 5, 2]},
        zero=np.array(0, np.float32),
        faces=boxes,
        sure=np.array(scores, np.float32),
        five=points,
    )
    return card(folder, BASE + 'kind="detector"\nsize=[100, 50]\n', given)


def save(
    folder: Path,
    nodes: list[onnx.NodeProto],
    shape: list[int | str],
    outputs: dict[str, list[int | str]] | dict[str, list[int]],
    **constants: NDArray[np.float32],
) -> None:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (folder / "m.onnx").write_bytes(model.SerializeToString())


def card(folder: Path, text: str, fields: dict[str, str]) -> Path:
    path = folder / "card.toml"
    path.write_text(text + "".join(f"{name}={value}\n" for name, value in fields.items()))
    return path


def chips(count: int = 1) -> NDArray[np.uint8]:
    return np.full((count, 8, 8, 3), (30, 60, 120), np.uint8)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (30, 60, 120)),
        ({"colour": '"bgr"'}, (120, 60, 30)),
        ({"layout": '"nhwc"'}, (30, 60, 120)),
        ({"scale": "0.5", "mean": "[5, 10, 20]", "std": "[1, 2, 4]"}, (10, 10, 10)),
        ({"metric": '"cosine"'}, (30 / 21**0.5 / 30, 2 / 21**0.5, 4 / 21**0.5)),
    ],
)
def test_fields_shape_the_vector(
    tmp_path: Path, fields: dict[str, Any], expected: tuple[float, ...]
) -> None:
    vectors = CardEmbedder(embedder(tmp_path, **fields), ONE).embed(chips())
    np.testing.assert_allclose(vectors, [expected], rtol=1e-5)


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_faces(tmp_path: Path, batch: int | str, count: int) -> None:
    vectors = CardEmbedder(embedder(tmp_path, batch), ONE).embed(chips(count))
    assert vectors.shape == (count, 3)


def test_padding_says_how_much_is_cut_out(tmp_path: Path) -> None:
    assert CardEmbedder(embedder(tmp_path), ONE).views == (ChipFormat(8, 0.25),)
    assert CardEmbedder(embedder(tmp_path, padding="0.5"), ONE).views == (ChipFormat(8, 0.5),)


EYES = (
    pytest.param((38.2946, 51.6963), (73.5318, 51.5014), (112, 112), id="ArcFace"),
    pytest.param((30, 30), (50, 40), (90, 60), id="tilted"),
    pytest.param((-20, 2), (0, 2), (8, 8), id="outside"),
)


@pytest.mark.parametrize(("left", "right", "size"), EYES)
def test_eyes_come_to_lie_where_the_card_says(
    left: tuple[float, float], right: tuple[float, float], size: tuple[int, int]
) -> None:
    card = EmbedderCard(
        id="mine", file="m.onnx", licence="MIT", colour="rgb", layout="nchw", kind="embedder",
        size=size, dimension=3, metric="cosine", eyes=Eyes(left=left, right=right),
    )  # fmt: skip
    chip, matrix = cut_of(card)
    step = chip.side_px / (1 + 2 * chip.padding)
    for mean, wanted in (((0.2273, 0.2214), left), ((0.7528, 0.2212), right)):
        at = (np.array(mean) + chip.padding) * step
        assert matrix @ [*at, 1] == pytest.approx(wanted, abs=0.02)
    # Nothing of the input lies outside of the chip.
    corners = np.array([[x, y] for x in (0, size[0]) for y in (0, size[1])])
    back = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T).T
    assert back.min() > -0.5
    assert back.max() < chip.side_px + 0.5


def test_mirrored_is_the_mean_of_both(tmp_path: Path) -> None:
    chip = np.zeros((1, 8, 8, 3), np.uint8)
    chip[..., 0] = np.arange(0, 160, 20)
    path = embedder(tmp_path, metric='"cosine"', mirrored="true")
    own = make_embedder(str(path), ONE)
    assert own.model_id.endswith("-mirrored")
    assert own.embed(chip) == pytest.approx(own.embed(chip[:, :, ::-1]), abs=1e-6)


def test_card_brings_its_table_to_the_threshold(tmp_path: Path) -> None:
    path = embedder(tmp_path)
    table = "\n[impostors]\nshares=[0.001, 0.01]\ndistances=[0.3, 0.5]\nloosest=0.4\n"
    path.write_text(path.read_text() + table)
    own = make_embedder(str(path), ONE)
    assert own.impostors is not None
    rule = make_rule(
        "budget",
        model=own.model_id,
        impostors=own.impostors,
        budget=0.001,
        fixed_distance=None,
    )
    assert rule.pair_distance(1) == pytest.approx(0.3)
    with pytest.raises(ConfigurationError, match=r"bench/impostors\.py"):
        make_rule("budget", model=own.model_id, budget=0.001, fixed_distance=None)


def test_another_file_is_another_model(tmp_path: Path) -> None:
    first = CardEmbedder(embedder(tmp_path), ONE)
    other = CardEmbedder(embedder(tmp_path, factor=2.0), ONE)
    assert first.model_id != other.model_id


def test_what_changes_vectors_changes_the_model(tmp_path: Path) -> None:
    first = CardEmbedder(embedder(tmp_path), ONE).model_id
    assert CardEmbedder(embedder(tmp_path), ONE).model_id == first
    others = {
        CardEmbedder(embedder(tmp_path, factor=2.0), ONE).model_id,
        CardEmbedder(embedder(tmp_path, colour='"bgr"'), ONE).model_id,
        CardEmbedder(embedder(tmp_path, padding="0.3"), ONE).model_id,
    }
    assert len(others | {first}) == 4


@pytest.mark.parametrize(
    ("factor", "fields", "named"),
    [
        (1, {"dimension": "4"}, "dimension"),
        (np.nan, {}, "finite"),
        (1, {"dtype": '"uint8"'}, "dtype"),
    ],
)
def test_refuses_what_does_not_fit(
    tmp_path: Path, factor: float, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        CardEmbedder(embedder(tmp_path, factor=factor, **fields), ONE)


FRAME = np.zeros((100, 200, 3), np.uint8)


def test_boxes_come_back_to_the_frame(tmp_path: Path) -> None:
    path = detector(tmp_path, [[10, 5, 30, 25]], [0.9], landmarks='"p"')
    (face,) = CardDetector(path, runtime=ONE).detect(FRAME)
    assert (face.box.x1, face.box.y1, face.box.x2, face.box.y2) == (20, 10, 60, 50)
    assert face.landmarks is not None
    assert face.landmarks.nose == (20, 10)


def test_shares_of_a_tall_frame(tmp_path: Path) -> None:
    path = detector(tmp_path, [[0.1, 0.2, 0.2, 0.6]], [0.9], coordinates='"shares"')
    (face,) = CardDetector(path, runtime=ONE).detect(np.zeros((200, 100, 3), np.uint8))
    assert (face.box.x1, face.box.y1, face.box.x2, face.box.y2) == (40, 40, 80, 120)


def test_overlaps_low_scores_and_small_faces_go(tmp_path: Path) -> None:
    boxes = [[0, 0, 20, 20], [1, 0, 21, 20], [40, 0, 60, 20], [70, 0, 75, 5]]
    found = CardDetector(
        detector(tmp_path, boxes, [0.8, 0.9, 0.4, 0.9]), min_face_px=11, runtime=ONE
    ).detect(FRAME)
    assert [(face.box.x1, round(face.score, 1)) for face in found] == [(2, 0.9)]
    loose = CardDetector(
        detector(tmp_path, boxes, [0.8, 0.9, 0.4, 0.9], nms_iou="1.0"),
        min_face_px=10,
        score_threshold=0.0,
        runtime=ONE,
    )
    assert len(loose.detect(FRAME)) == 4


def test_no_faces_and_no_frame(tmp_path: Path) -> None:
    found = CardDetector(detector(tmp_path, [], []), runtime=ONE)
    assert found.detect(FRAME) == found.detect(FRAME[:0]) == []


def test_an_output_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="boxes"):
        CardDetector(detector(tmp_path, [], [], boxes='"none"'), runtime=ONE)
