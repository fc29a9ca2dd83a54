from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from usher.domain.errors import InvalidImage, InvalidInput, NoFaceFound, SourceError
from usher.identity.measured import impostors_of
from usher.identity.rules import FixedRule
from usher.portraits import (
    MOST_POSES,
    choose_portraits,
    describe_photograph,
    diverse_indices,
    indices_of_one_person,
)
from usher.vision.images import PHOTO_FORMATS, decode_image, encode_jpeg
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.selftest import draw_face

RULE = FixedRule(0.5, impostors_of("dlib-resnet-v1"))


@pytest.fixture(scope="module")
def pipeline() -> FacePipeline:
    return make_pipeline()


def along_a_line(*places: float) -> NDArray[np.float32]:
    return np.array([[place, 0, 0] for place in places], np.float32)


# ---- Diverse vectors ----------------------------------------------------------------------------


def test_diverse_vectors_begin_in_the_middle_and_go_to_the_ends() -> None:
    vectors = along_a_line(0.0, 0.4, 0.5, 0.6, 1.2)
    assert diverse_indices(vectors, limit=3, least_distance=0.1) == [2, 4, 0]


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (4, 4), (100, 10)])
def test_diverse_vectors_are_no_more_than_the_limit(limit: int, count: int) -> None:
    vectors = along_a_line(*range(10))
    assert len(set(diverse_indices(vectors, limit=limit, least_distance=0.5))) == count


@pytest.mark.parametrize(("least", "count"), [(0.24, 2), (0.26, 1)])
def test_diverse_vectors_end_where_nothing_new_comes(least: float, count: int) -> None:
    assert len(diverse_indices(along_a_line(0, 0.25), limit=8, least_distance=least)) == count


def test_diverse_vectors_are_one_where_all_are_the_same() -> None:
    vectors = along_a_line(1, 1, 1)
    assert len(diverse_indices(vectors, limit=8, least_distance=0)) == 1


def test_diverse_vectors_of_none_are_none() -> None:
    assert diverse_indices(np.empty((0, 128), np.float32), limit=8, least_distance=0.1) == []


# ---- One person's -------------------------------------------------------------------------------


def test_one_persons_vectors_hang_together_in_small_steps() -> None:
    vectors = along_a_line(0, 0.4, 0.8, 1.2, 9.0)
    assert indices_of_one_person(vectors, 0.41) == [0, 1, 2, 3]


def test_passer_by_is_put_aside() -> None:
    vectors = along_a_line(0, 0.1, 5, 5.1, 0.2, 0.3, 0.4)
    assert indices_of_one_person(vectors, 0.2) == [0, 1, 4, 5, 6]


def test_two_people_as_often_are_refused() -> None:
    with pytest.raises(InvalidImage, match="several people"):
        indices_of_one_person(along_a_line(0, 0.1, 0.2, 0.3, 5, 5.1), 0.2)


def test_single_stray_vector_is_no_second_person() -> None:
    assert indices_of_one_person(along_a_line(0, 5), 0.2) == [0]


# ---- Photographs and videos ---------------------------------------------------------------------


def test_photograph_of_one_face_is_described(pipeline: FacePipeline) -> None:
    described = describe_photograph(encode_jpeg(draw_face(300)), pipeline)
    assert described.embedding.shape == (pipeline.dimension,)
    assert 60 < described.box.centre[0] < 240


def test_photograph_without_a_face_is_refused(pipeline: FacePipeline) -> None:
    with pytest.raises(NoFaceFound):
        describe_photograph(encode_jpeg(np.full((200, 200, 3), 90, np.uint8)), pipeline)


def test_photograph_of_two_faces_is_refused(pipeline: FacePipeline) -> None:
    two = np.concatenate([draw_face(300)] * 2, axis=1)
    with pytest.raises(InvalidImage, match="shows 2 faces"):
        describe_photograph(encode_jpeg(two), pipeline)


def test_photograph_that_is_none_is_refused(pipeline: FacePipeline) -> None:
    with pytest.raises(InvalidInput):
        describe_photograph(b"no picture", pipeline)


def test_video_that_is_none_is_refused(tmp_path: Path, pipeline: FacePipeline) -> None:
    (tmp_path / "ann.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"ann\.mp4"):
        choose_portraits(tmp_path / "ann.mp4", pipeline, RULE)


def test_video_without_a_clear_face_is_refused(test_data: Path, pipeline: FacePipeline) -> None:
    corridor = test_data / "videos" / "face-demographics-walking.gif"
    with pytest.raises(NoFaceFound, match="no frame"):
        choose_portraits(corridor, pipeline, RULE, limit=1)


def test_portraits_of_a_video_show_different_sides_that_are_good_enough(
    test_data: Path, pipeline: FacePipeline
) -> None:
    shares: list[float] = []
    portraits = choose_portraits(
        test_data / "videos" / "head-pose-face-detection-female.gif",
        pipeline,
        RULE,
        on_frame=shares.append,
    )
    assert 2 <= len(portraits) <= MOST_POSES
    assert all(portrait.face.quality.acceptable for portrait in portraits)
    vectors = np.stack([portrait.face.embedding for portrait in portraits])
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    assert apart[~np.eye(len(vectors), dtype=bool)].min() >= 0.25
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_portraits_are_found_again_by_whoever_gets_them(
    test_data: Path, pipeline: FacePipeline
) -> None:
    clip = test_data / "videos" / "head-pose-face-detection-male.gif"
    (portrait,) = choose_portraits(clip, pipeline, RULE, limit=1)
    again = describe_photograph(portrait.jpeg, pipeline)
    assert again.box == portrait.face.box
    pixels_rgb = decode_image(portrait.jpeg, formats=PHOTO_FORMATS, max_pixels=1_000_000)
    assert pixels_rgb.shape == (270, 480, 3)
