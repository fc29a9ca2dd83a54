"""Running graphs: on which cores, on what, and in which parts."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from usher.domain.errors import ConfigurationError
from usher.vision.runtime import BatchRunner, Runtime, core_count, make_session, warm_up


def doubling() -> bytes:
    """A graph of uint8, (N, 2), to float32, (N, 2): everything twice."""
    nodes = [
        helper.make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["float", "float"], ["y"]),
    ]
    source = helper.make_tensor_value_info("x", TensorProto.UINT8, ["N", 2])
    target = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "doubling", [source], [target])
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return bytes(model.SerializeToString())


@settings(max_examples=60, deadline=None)
@given(size=st.integers(0, 200), threads=st.integers(1, 5))
def test_batch_runner_keeps_the_order_of_batches_of_any_size(size: int, threads: int) -> None:
    batch = np.arange(2 * size, dtype=np.uint8).reshape(size, 2)
    doubled = BatchRunner(doubling(), Runtime(threads=threads)).run(batch)
    assert doubled.dtype == np.float32
    assert np.array_equal(doubled, batch * np.float32(2))


def test_batch_runner_gives_every_thread_its_own_answer() -> None:
    runner = BatchRunner(doubling(), Runtime(threads=2))
    batches = [np.full((size, 2), size, np.uint8) for size in range(1, 60)]
    with ThreadPoolExecutor(8) as pool:
        for batch, doubled in zip(batches, pool.map(runner.run, batches), strict=True):
            assert np.array_equal(doubled, batch * np.float32(2))


def test_batch_runner_runs_batches_that_are_views() -> None:
    batch = np.arange(80, dtype=np.uint8).reshape(2, 40).T
    assert np.array_equal(
        BatchRunner(doubling(), Runtime()).run(batch[::-1]), batch[::-1] * np.float32(2)
    )


def test_warm_up_runs_a_graph_once() -> None:
    warm_up(make_session(doubling()))
    BatchRunner(doubling(), Runtime()).warm_up()


def test_core_count_is_what_is_given_or_what_the_process_may_use() -> None:
    assert core_count(3) == 3
    assert core_count(0) == len(os.sched_getaffinity(0))


def test_core_count_counts_all_where_processes_are_not_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert core_count(0) == os.cpu_count()


def test_make_session_says_what_to_do_when_a_provider_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(
        ConfigurationError, match="USHER_PROVIDER: cuda is not installed here, only cpu"
    ):
        make_session(doubling(), provider="cuda")


def test_make_session_says_what_to_do_when_a_provider_does_not_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu_only = make_session(doubling())
    every = ["CPUExecutionProvider", "CUDAExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: every)
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: cpu_only)
    with pytest.raises(ConfigurationError, match="installed but does not work on this machine"):
        make_session(doubling(), provider="cuda")


def test_make_session_names_the_providers_when_there_is_no_such() -> None:
    with pytest.raises(ConfigurationError, match="none of cpu, cuda, openvino, coreml"):
        make_session(doubling(), provider="abacus")
