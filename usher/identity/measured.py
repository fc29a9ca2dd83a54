"""What was measured of the models that Usher brings: numbers about nobody.

All of it comes from the development half of Labeled Faces in the Wild (View 1, test), with faces
found by HOG and 5-point chips.
"""

from __future__ import annotations

from usher.domain.errors import ConfigurationError
from usher.domain.impostors import ImpostorDistances
from usher.identity.calibrate import StrangerScores

_SHARES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)

# 6,814,941 pairs of 3,699 photographs of 1,707 people: `python bench/impostors.py`.
MEASURED = {
    # Halves of the people agree within 0.015 down to a share of 1e-5. The loosest is dlib's own
    # recommendation for its descriptor.
    "dlib-resnet-v1": ImpostorDistances(
        _SHARES,
        (0.373, 0.393, 0.416, 0.446, 0.478, 0.509, 0.546, 0.578, 0.616, 0.654, 0.705),
        loosest=0.6,
    ),
    # Halves agree within 0.015 down to 1e-5. The loosest accepts as large a share of the pairs as
    # 0.6 does of raw descriptors: 0.61%.
    "dlib-resnet-v1-mirrored": ImpostorDistances(
        _SHARES,
        (0.262, 0.279, 0.299, 0.320, 0.340, 0.358, 0.380, 0.400, 0.424, 0.450, 0.486),
        loosest=0.414,
    ),
    # Halves agree within 0.019 down to 1e-5; the loosest as above.
    "dlib-resnet-v1-crops": ImpostorDistances(
        _SHARES,
        (0.246, 0.264, 0.286, 0.309, 0.328, 0.346, 0.366, 0.386, 0.410, 0.436, 0.472),
        loosest=0.400,
    ),
}
"""By model id: what was measured. A rule can be given a table of one's own instead."""


def impostors_of(model: str) -> ImpostorDistances:
    """What was measured of a model.

    Raises
    ------
    ConfigurationError
        If nothing was.
    """
    if model not in MEASURED:
        raise ConfigurationError(
            f"no threshold can be told for the model {model}: measure how close its faces of "
            "different people come, with bench/impostors.py, and give the table beside the model"
        )
    return MEASURED[model]


# The best scores of strangers, on the first, third, fifth, ... of these people by name (856), so
# that the others are left to test with: galleries drawn at random with one or up to five references
# a person, everybody else a stranger once. `python bench/identity.py --fit`.
_PERSONS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 400)
_STRANGERS = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)

STRANGERS = {
    "dlib-resnet-v1": StrangerScores(
        _PERSONS,
        _STRANGERS,
        (
            (0.5022, 0.5219, 0.5334, 0.5483, 0.5599, 0.5721, 0.5804, 0.5882, 0.5967),
            (0.5247, 0.5388, 0.5472, 0.5587, 0.5682, 0.5785, 0.5846, 0.5905, 0.598),
            (0.5285, 0.5407, 0.5481, 0.5586, 0.5679, 0.5789, 0.5867, 0.5942, 0.6039),
            (0.5315, 0.5423, 0.5489, 0.5581, 0.5663, 0.5761, 0.5837, 0.5904, 0.6003),
            (0.5353, 0.544, 0.5495, 0.5576, 0.5651, 0.5743, 0.5814, 0.5878, 0.5948),
            (0.5398, 0.5474, 0.5522, 0.5594, 0.5662, 0.5744, 0.5802, 0.586, 0.5927),
            (0.5448, 0.551, 0.5552, 0.5614, 0.5667, 0.5734, 0.5777, 0.5816, 0.5877),
            (0.548, 0.5536, 0.5572, 0.5626, 0.5672, 0.5724, 0.5758, 0.5796, 0.5847),
            (0.5509, 0.556, 0.5593, 0.5643, 0.5683, 0.5735, 0.5769, 0.5794, 0.5831),
            (0.5531, 0.5579, 0.561, 0.5656, 0.569, 0.5732, 0.5762, 0.5791, 0.5837),
        ),
    ),
    "dlib-resnet-v1-mirrored": StrangerScores(
        _PERSONS,
        _STRANGERS,
        (
            (0.506, 0.5253, 0.5369, 0.5518, 0.5631, 0.5758, 0.5834, 0.5903, 0.5981),
            (0.5276, 0.5415, 0.5498, 0.5612, 0.5707, 0.5804, 0.5872, 0.5927, 0.5993),
            (0.5306, 0.5429, 0.5504, 0.5609, 0.5701, 0.5803, 0.5885, 0.596, 0.6054),
            (0.5336, 0.544, 0.5506, 0.56, 0.568, 0.5776, 0.585, 0.5915, 0.6001),
            (0.5374, 0.5461, 0.5514, 0.5594, 0.5667, 0.5759, 0.582, 0.5886, 0.595),
            (0.5417, 0.5492, 0.554, 0.5611, 0.5677, 0.5756, 0.5815, 0.5872, 0.5942),
            (0.5466, 0.5529, 0.5568, 0.5627, 0.568, 0.5745, 0.5784, 0.5826, 0.5872),
            (0.5499, 0.5553, 0.5588, 0.5641, 0.5686, 0.5736, 0.577, 0.5796, 0.5844),
            (0.5526, 0.5575, 0.5609, 0.5657, 0.5699, 0.5743, 0.5771, 0.5797, 0.5829),
            (0.5549, 0.5596, 0.5626, 0.5672, 0.5704, 0.5738, 0.5765, 0.5793, 0.5852),
        ),
    ),
    "dlib-resnet-v1-crops": StrangerScores(
        _PERSONS,
        _STRANGERS,
        (
            (0.5138, 0.533, 0.5441, 0.5589, 0.57, 0.5816, 0.5893, 0.596, 0.603),
            (0.5332, 0.547, 0.555, 0.566, 0.5751, 0.5848, 0.5907, 0.5962, 0.6028),
            (0.5348, 0.5469, 0.5543, 0.5643, 0.5732, 0.5836, 0.591, 0.5985, 0.6073),
            (0.5377, 0.5479, 0.5542, 0.5632, 0.5709, 0.5801, 0.5869, 0.5935, 0.6021),
            (0.5412, 0.5496, 0.5548, 0.5625, 0.5694, 0.578, 0.5842, 0.5905, 0.5973),
            (0.5454, 0.5527, 0.5573, 0.564, 0.5702, 0.5779, 0.5837, 0.5896, 0.596),
            (0.5501, 0.556, 0.5598, 0.5653, 0.5705, 0.5765, 0.5803, 0.5843, 0.589),
            (0.5532, 0.5584, 0.5618, 0.5668, 0.571, 0.5759, 0.5788, 0.5818, 0.5865),
            (0.5556, 0.5604, 0.5635, 0.5684, 0.5721, 0.576, 0.5789, 0.5813, 0.5844),
            (0.558, 0.5623, 0.5655, 0.5695, 0.5726, 0.5759, 0.5782, 0.5808, 0.5863),
        ),
    ),
}
"""By model id, for `TemplateGallery`."""
