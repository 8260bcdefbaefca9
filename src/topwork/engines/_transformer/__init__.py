"""Networks for texts: their graph in OpenVINO's own operators, what runs it, and the tokens that go in."""

from topwork.engines._transformer._architecture import Architecture, Arrays, Linear, architecture_of, is_known
from topwork.engines._transformer._converted import converted_graph, loaded
from topwork.engines._transformer._graph import Pooling, output_names, transformer_graph
from topwork.engines._transformer._network import TextNetwork
from topwork.engines._transformer._pairs import Pairs, pairs_graph
from topwork.engines._transformer._tokens import Tokenized, Tokens

__all__ = [
    "Architecture",
    "Arrays",
    "Linear",
    "Pairs",
    "Pooling",
    "TextNetwork",
    "Tokenized",
    "Tokens",
    "architecture_of",
    "converted_graph",
    "is_known",
    "loaded",
    "output_names",
    "pairs_graph",
    "transformer_graph",
]
