"""Graphs are run here: ONNX Runtime, on the cores or the accelerator that the settings name.

How a batch is run on several cores decides more than any option of the runtime. Two threads within
each layer meet at the end of every layer, 60 times a batch, and wait for the slower one. A part of
the batch for each core needs no meeting, and its values stay in that core's cache. For the
descriptor network on two cores, in faces a second, the best of ten and the median of ten while
other programs kept the cores busy (`docs/engine.md`):

=====================================================  ====  ======
32 faces                                               best  median
=====================================================  ====  ======
two threads a layer, spinning while they wait           419     153
two threads a layer, not spinning                       434     198
two parts of 16                                         658     361
four parts of 8                                         620     333
eight parts of 4                                        560     328
=====================================================  ====  ======
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from usher.domain.errors import ConfigurationError

CPU = "cpu"

_PROVIDERS = {
    CPU: "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
_LARGEST_PART = 16
_LARGEST_ACCELERATED_PART = 32
_ERRORS_ONLY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where networks run, as the settings say.

    Attributes
    ----------
    threads
        How many cores a network may use; 0: all.
    provider
        `cpu`, `cuda`, `openvino` or `coreml`.
    model_cache
        Folder of built networks; None: the account's own.
    """

    threads: int = 0
    provider: str = CPU
    model_cache: Path | None = None


def core_count(threads: int) -> int:
    """How many cores to use.

    Parameters
    ----------
    threads
        As the settings give it; 0: all that this process may run on.
    """
    if threads > 0:
        return threads
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make_session(
    graph: bytes, *, threads: int = 0, provider: str = CPU
) -> onnxruntime.InferenceSession:
    """A graph, ready to run; several threads may run it at once.

    Parameters
    ----------
    graph
        An ONNX model.
    threads
        How many to use within a layer; 0: as many as there are cores.
    provider
        `cpu`, `cuda`, `openvino` or `coreml`.

    Raises
    ------
    ConfigurationError
        If the provider is unknown, or is not installed, or does not work on this machine.
    """
    name = _installed(provider)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = core_count(threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Threads that spin while they wait gain nothing here, and take cores from other programs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    names = list(dict.fromkeys([name, _PROVIDERS[CPU]]))
    session = onnxruntime.InferenceSession(graph, options, providers=names)
    if name not in session.get_providers():
        raise ConfigurationError(
            f"USHER_PROVIDER: {provider} is installed but does not work on this machine: look for "
            "its driver and libraries, or choose cpu"
        )
    return session


def warm_up(session: onnxruntime.InferenceSession) -> None:
    """Run a graph once on zeros: what it allocates or compiles is then there before the first work.

    Sizes that a graph leaves open count as one.
    """
    zeros = {given.name: _zeros(given) for given in session.get_inputs()}
    session.run(None, zeros)


class BatchRunner:
    """Runs a graph of one input and one output over batches of any size, on all cores.

    One instance may be used by several threads; together they use no more cores than it was given.

    Parameters
    ----------
    graph
        An ONNX model whose first axis is open, in its input and its output.
    runtime
        A part of a batch runs on each of its cores, side by side; an accelerator gets one part
        after another.

    Raises
    ------
    ConfigurationError
        See `make_session`.
    """

    def __init__(self, graph: bytes, runtime: Runtime) -> None:
        self._session = make_session(graph, threads=1, provider=runtime.provider)
        on_cpu = runtime.provider == CPU
        self._lanes = core_count(runtime.threads) if on_cpu else 1
        self._largest = _LARGEST_PART if on_cpu else _LARGEST_ACCELERATED_PART
        self._pool = ThreadPoolExecutor(self._lanes, thread_name_prefix="network")
        self._input = self._session.get_inputs()[0].name
        self._output_shape = self._session.get_outputs()[0].shape[1:]

    def warm_up(self) -> None:
        """See `warm_up`."""
        warm_up(self._session)

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """The graph's output for a batch.

        Parameters
        ----------
        batch
            (N, ...), of the shape and type that the graph takes; N may be 0.

        Returns
        -------
        NDArray
            float32, (N, ...), in the order of `batch`.
        """
        if len(batch) == 0:
            return np.empty((0, *self._output_shape), np.float32)
        parts = np.array_split(batch, self._part_count(len(batch)))
        return np.concatenate(list(self._pool.map(self._run_part, parts)))

    def _part_count(self, size: int) -> int:
        """As few parts as their largest size allows, and as many for one core as for another."""
        rounds = ceil(size / (self._largest * self._lanes))
        return min(size, rounds * self._lanes)

    def _run_part(self, part: NDArray[Any]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = self._session.run(None, {self._input: part})[0]
        return output


def _installed(provider: str) -> str:
    """ONNX Runtime's name of a provider."""
    if provider not in _PROVIDERS:
        raise ConfigurationError(f"USHER_PROVIDER: {provider} is none of {', '.join(_PROVIDERS)}")
    name = _PROVIDERS[provider]
    installed = onnxruntime.get_available_providers()
    if name not in installed:
        known = [key for key, value in _PROVIDERS.items() if value in installed]
        raise ConfigurationError(
            f"USHER_PROVIDER: {provider} is not installed here, only {', '.join(known)}: install "
            "the build of onnxruntime that brings it, or choose another"
        )
    return name


def _zeros(given: onnxruntime.NodeArg) -> NDArray[Any]:
    shape = [size if isinstance(size, int) else 1 for size in given.shape]
    return np.zeros(shape, _TYPES[given.type])


_TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
