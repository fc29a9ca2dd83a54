"""MTCNN's networks: the files of weights, and the graphs that are built from them."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import lz4.frame
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usher.domain.errors import ConfigurationError
from usher.vision.models import MTCNN, model_path
from usher.vision.networks.mtcnn import build_onet, build_pnet, build_rnet, read_weights
from usher.vision.runtime import make_session

Build = Callable[[bytes], bytes]
Arrays = list[np.ndarray[Any, Any]]

BUILDS = {"pnet": build_pnet, "rnet": build_rnet, "onet": build_onet}
REFERENCE = json.loads(Path(__file__).parent.with_name("mtcnn_reference.json").read_text("utf-8"))


def weights_of(name: str) -> bytes:
    return model_path(f"{name}.lz4", MTCNN).read_bytes()


def saved(content: object) -> bytes:
    """A file of weights as the package's authors make it."""
    file = io.BytesIO()
    joblib.dump(content, file)
    return lz4.frame.compress(file.getvalue())


def pickled(content: object) -> bytes:
    return lz4.frame.compress(pickle.dumps(content))


@pytest.mark.parametrize("name", BUILDS)
def test_graphs_give_what_the_package_gives(name: str) -> None:
    inputs = reference_inputs()
    session = make_session(BUILDS[name](weights_of(name)), threads=1)
    for case in REFERENCE["networks"][name]:
        (output,) = session.run(None, {"pixels": next(inputs[name]).astype(np.float32)})
        *others, classes = (
            np.reshape(given["values"], given["shape"]) for given in case["outputs"]
        )
        expected = np.moveaxis(np.concatenate([classes[..., 1:], *others], axis=-1), -1, 1)
        assert output.shape == expected.shape
        np.testing.assert_allclose(output, expected, rtol=0, atol=2e-6)


def reference_inputs() -> dict[str, Any]:
    """Those of the reference, which were drawn one after the other."""
    random = np.random.default_rng(20240)
    return {
        name: iter([random.integers(0, 256, case["shape"], np.uint8) for case in cases])
        for name, cases in REFERENCE["networks"].items()
    }


@pytest.mark.parametrize("height", [12, 13, 14, 15, 31])
@pytest.mark.parametrize("width", [12, 17, 24])
def test_pnet_gives_a_cell_for_each_window_and_one_that_reaches_past_the_edge(
    height: int, width: int
) -> None:
    session = make_session(build_pnet(weights_of("pnet")), threads=1)
    (output,) = session.run(None, {"pixels": np.zeros((2, height, width, 3), np.float32)})
    assert output.shape == (2, 5, (height - 9) // 2, (width - 9) // 2)


@pytest.mark.parametrize(("name", "side", "values"), [("rnet", 24, 5), ("onet", 48, 15)])
def test_graphs_judge_each_crop_by_itself(name: str, side: int, values: int) -> None:
    session = make_session(BUILDS[name](weights_of(name)), threads=1)
    crops = np.random.default_rng(1).integers(0, 256, (7, side, side, 3)).astype(np.float32)
    (together,) = session.run(None, {"pixels": crops})
    alone = [session.run(None, {"pixels": crop[None]})[0][0] for crop in crops]
    assert together.shape == (7, values)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", BUILDS)
def test_graphs_are_the_same_bytes_for_the_same_weights(name: str) -> None:
    assert BUILDS[name](weights_of(name)) == BUILDS[name](weights_of(name))


@pytest.mark.parametrize("name", BUILDS)
def test_read_weights_gives_what_joblib_loads(name: str) -> None:
    path = model_path(f"{name}.lz4", MTCNN)
    ours, theirs = read_weights(path.read_bytes()), joblib.load(path)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), max_size=6))
def test_read_weights_reads_back_what_was_saved(shapes: list[list[int]]) -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    read = read_weights(saved(arrays))
    assert [array.shape for array in read] == [tuple(shape) for shape in shapes]
    for one, other in zip(read, arrays, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a network of MTCNN"),
        (b"not compressed", "not a network of MTCNN"),
        (lz4.frame.compress(b""), "Ran out of input"),
        (lz4.frame.compress(b"\xff" * 50), "not a network of MTCNN"),
        (saved({"kernel": np.zeros(3, np.float32)}), "no list of arrays"),
        (saved([1.0, 2.0]), "no list of arrays"),
        (saved(np.zeros(3, np.float32)), "no list of arrays"),
        (saved([np.zeros(3, np.float64)]), "not of float32"),
        (saved([np.zeros(3, ">f4")]), "not of float32"),
        (saved([np.zeros((3, 2), np.float32, order="F")]), "row by row"),
        (saved([np.array([1, np.nan], np.float32)]), "not finite"),
        (saved([np.array([np.inf], np.float32)]), "not finite"),
        (saved([np.array([object()])]), "not a network of MTCNN"),
        # An array without the record of its shape, and so without values.
        (
            lz4.frame.compress(b"\x80\x04](cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81e."),
            "not a network of MTCNN",
        ),
    ],
)
def test_read_weights_refuses_what_is_no_list_of_arrays(data: bytes, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        read_weights(data)


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("wrap", [pickled, saved])
@pytest.mark.parametrize(
    "function", [os.mkdir, np.load, joblib.load, np.fromfile, np.memmap, threading.Thread]
)
def test_read_weights_calls_nothing_that_the_file_names(
    tmp_path: Path, wrap: Callable[[object], bytes], function: Callable[..., object]
) -> None:
    target = tmp_path / "made"
    with pytest.raises(ConfigurationError, match="it asks for"):
        read_weights(wrap([Call(function, str(target))]))
    assert not target.exists()


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99, 1.0])
def test_graphs_are_not_built_from_a_part_of_a_file(name: str, share: float) -> None:
    data = weights_of(name)
    with pytest.raises(ConfigurationError, match="install the package that it came with again"):
        BUILDS[name](data[: min(int(share * len(data)), len(data) - 8)])


@pytest.mark.parametrize("at", range(0, 240, 7))
def test_read_weights_fails_in_one_way_when_a_byte_is_damaged(at: int) -> None:
    content = bytearray(lz4.frame.decompress(weights_of("pnet")))
    content[at] ^= 0x15
    try:
        arrays = read_weights(lz4.frame.compress(bytes(content)))
    except ConfigurationError:
        return
    assert all(np.isfinite(array).all() for array in arrays)


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("other", BUILDS)
def test_graphs_are_built_from_their_own_weights_only(name: str, other: str) -> None:
    if name == other:
        assert BUILDS[name](weights_of(other))
        return
    with pytest.raises(ConfigurationError, match=r"arrays of .* where"):
        BUILDS[name](weights_of(other))


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays[:-1],
        lambda arrays: [*arrays, arrays[-1]],
        lambda arrays: [*arrays[:-1], np.zeros(3, np.float32)],
        lambda arrays: [arrays[0][:2], *arrays[1:]],
    ],
)
def test_graphs_are_not_built_when_arrays_are_too_few_too_many_or_of_another_shape(
    change: Callable[[Arrays], Arrays],
) -> None:
    arrays: Arrays = list(read_weights(weights_of("rnet")))
    assert build_rnet(saved(arrays))
    with pytest.raises(ConfigurationError, match=r"arrays of .* where"):
        build_rnet(saved(change(arrays)))


def test_model_path_says_what_to_install_when_a_model_of_mtcnn_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"install usher with the extra \[vision\]"):
        model_path("no_such_model.lz4", MTCNN)


def test_weights_are_found_and_read_without_importing_their_package_or_joblib() -> None:
    script = """
import sys
from usher.vision.detectors.mtcnn import MtcnnDetector
from usher.vision.models import MTCNN, model_path
from usher.vision.networks.mtcnn import read_weights
read_weights(model_path("pnet.lz4", MTCNN).read_bytes())
assert not {"mtcnn", "tensorflow", "joblib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
