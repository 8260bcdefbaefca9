"""ONNX nodes that read like arithmetic: a graph that grows, and values in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from topwork._system import optional

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18  # what ONNX Runtime since 1.14, OpenVINO since 2023 and onnxruntime-web run alike: docs/decisions/export.md
_IR = 8  # the file format that came with it


def onnx() -> Any:
    """The package ``onnx``; a MissingExtraError where it is not installed."""
    return optional("onnx", extra="export", what="an export")


class Value:
    """A tensor of a graph. Operators add nodes; numbers beside it become constants of its type.

    Attributes:
        nodes: The graph.
        name: Of the tensor.
        dtype: Of its numbers.
    """

    __array_ufunc__ = None  # arrays leave arithmetic with a value to the value

    def __init__(self, nodes: Nodes, name: str, dtype: npt.DTypeLike) -> None:
        self.nodes = nodes
        self.name = name
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    def _with(self, operator: str, *others: Any, dtype: npt.DTypeLike | None = None) -> Value:
        return self.nodes.add(operator, self, *others, dtype=dtype)

    def _after(self, operator: str, other: Any) -> Value:
        return self.nodes.add(operator, self.nodes.constant(np.asarray(other, self.dtype)), self)

    def __add__(self, other: Any) -> Value:
        return self._with("Add", other)

    def __sub__(self, other: Any) -> Value:
        return self._with("Sub", other)

    def __mul__(self, other: Any) -> Value:
        return self._with("Mul", other)

    def __truediv__(self, other: Any) -> Value:
        return self._with("Div", other)

    def __matmul__(self, other: Any) -> Value:
        return self._with("MatMul", other)

    def __radd__(self, other: Any) -> Value:
        return self._after("Add", other)

    def __rsub__(self, other: Any) -> Value:
        return self._after("Sub", other)

    def __rmul__(self, other: Any) -> Value:
        return self._after("Mul", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._after("Div", other)

    def __neg__(self) -> Value:
        return self._with("Neg")

    def __abs__(self) -> Value:
        return self._with("Abs")

    def __lt__(self, other: Any) -> Value:
        return self._with("Less", other, dtype=bool)

    def __le__(self, other: Any) -> Value:
        return self._with("LessOrEqual", other, dtype=bool)

    def __gt__(self, other: Any) -> Value:
        return self._with("Greater", other, dtype=bool)

    def __ge__(self, other: Any) -> Value:
        return self._with("GreaterOrEqual", other, dtype=bool)

    def __and__(self, other: Value) -> Value:
        return self._with("And", other)

    def __or__(self, other: Value) -> Value:
        return self._with("Or", other)

    def equals(self, other: Any) -> Value:
        """Where both are the same."""
        return self._with("Equal", other, dtype=bool)

    def floor(self) -> Value:
        """The next whole number below."""
        return self._with("Floor")

    def round(self) -> Value:
        """The nearest whole number, of two the even one, as Python rounds."""
        return self._with("Round")

    def largest(self, *others: Any) -> Value:
        """The largest of several, number by number."""
        return self._with("Max", *others)

    def smallest(self, *others: Any) -> Value:
        """The smallest of several, number by number."""
        return self._with("Min", *others)

    def to(self, dtype: npt.DTypeLike) -> Value:
        """As another type of number."""
        code = onnx().helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.nodes.add("Cast", self, dtype=dtype, to=code)

    def sum(self, *axes: int) -> Value:
        """Over some axes, which stay with length one."""
        return self.over("ReduceSum", *axes)

    def max(self, *axes: int) -> Value:
        """Over some axes, which stay with length one."""
        return self.over("ReduceMax", *axes)

    def over(self, operator: str, *axes: int, keep: bool = True) -> Value:
        """A reduction over some axes."""
        return self.nodes.add(operator, self, np.array(axes, np.int64), keepdims=int(keep))

    def reshape(self, *shape: int) -> Value:
        """In another shape; 0 keeps an axis, -1 takes what is left."""
        return self._with("Reshape", np.array(shape, np.int64))

    def transpose(self, *axes: int) -> Value:
        """With its axes in another order."""
        return self.nodes.add("Transpose", self, perm=list(axes))

    def softmax(self) -> Value:
        """Over the last axis."""
        return self.nodes.add("Softmax", self, axis=-1)

    def size(self, axis: int) -> Value:
        """Its length along an axis, int64 ()."""
        return self.nodes.add("Gather", self.nodes.add("Shape", self, dtype=np.int64), np.int64(axis), axis=0)


class Nodes:
    """A graph that grows node by node."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def input(self, name: str, dtype: npt.DTypeLike, shape: Sequence[int | str]) -> Value:
        """An input of the model; an axis with a name may have any length."""
        helper = onnx().helper
        code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._inputs.append(helper.make_tensor_value_info(name, code, shape))
        return Value(self, name, dtype)

    def output(self, name: str, value: Value, shape: Sequence[int | str]) -> None:
        """Give a value as an output of the model under a name."""
        helper = onnx().helper
        self._nodes.append(helper.make_node("Identity", [value.name], [name]))
        code = helper.np_dtype_to_tensor_dtype(value.dtype)
        self._outputs.append(helper.make_tensor_value_info(name, code, shape))

    def constant(self, numbers: npt.ArrayLike) -> Value:
        """Numbers that stay; the same ones are held once."""
        array = np.asarray(numbers, order="C")
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())  # not all weights twice
        if key not in self._constants:
            self._constants[key] = self._name("constant")
            self._weights.append(onnx().numpy_helper.from_array(array, self._constants[key]))
        return Value(self, self._constants[key], array.dtype)

    def add(self, operator: str, *operands: Any, dtype: npt.DTypeLike | None = None, **attributes: Any) -> Value:
        """A node with one output.

        Args:
            operator: Of ONNX's default domain.
            operands: Values, arrays and numbers; numbers take the type of the first value.
            dtype: Of the output; the first operand's if not given.
            attributes: Of the operator.
        """
        return self.add_several(operator, *operands, dtypes=(dtype,), **attributes)[0]

    def add_several(
        self, operator: str, *operands: Any, dtypes: Sequence[npt.DTypeLike | None], **attributes: Any
    ) -> tuple[Value, ...]:
        """A node with as many outputs as there are types; None stands for the first operand's."""
        first = next(each for each in operands if isinstance(each, Value))
        values = [self._value(each, first.dtype) for each in operands]
        names = [self._name(operator.lower()) for _ in dtypes]
        self._nodes.append(onnx().helper.make_node(operator, [each.name for each in values], names, **attributes))
        kinds = [values[0].dtype if each is None else each for each in dtypes]
        return tuple(Value(self, name, kind) for name, kind in zip(names, kinds, strict=True))

    def where(self, condition: Value, yes: Any, no: Any) -> Value:
        """One value where a condition holds, else the other; one of them at least is a ``Value``."""
        first = yes if isinstance(yes, Value) else no
        chosen = [self._value(each, first.dtype) for each in (yes, no)]
        return self.add("Where", condition, *chosen, dtype=first.dtype)

    def either(self, condition: Value, yes: Callable[[], Value], no: Callable[[], Value]) -> Value:
        """What one of two functions gives; only its nodes run.

        Args:
            condition: bool ().
            yes: Adds nodes that run where it holds.
            no: Adds those that run where it does not.
        """
        helper, branches = onnx().helper, []
        for make in (yes, no):
            outer, self._nodes = self._nodes, []
            made = make()
            code = helper.np_dtype_to_tensor_dtype(made.dtype)
            out = helper.make_tensor_value_info(made.name, code, None)
            branches.append(helper.make_graph(self._nodes, self._name("branch"), [], [out]))
            self._nodes = outer
        return self.add("If", condition, dtype=made.dtype, then_branch=branches[0], else_branch=branches[1])

    def absorb(self, model: ModelProto, given: Mapping[str, Value]) -> tuple[Value, ...]:
        """All nodes of another model, whose inputs are values of this graph; gives its outputs.

        Args:
            model: Of this opset.
            given: A value for each of its inputs.
        """
        graph = onnx().compose.add_prefix_graph(model.graph, self._name("network") + "/")
        own = {place.name: value.name for place, value in zip(graph.input, given.values(), strict=True)}
        for node in graph.node:
            node.input[:] = [own.get(name, name) for name in node.input]
        self._nodes.extend(graph.node)
        self._weights.extend(graph.initializer)
        kind = onnx().helper.tensor_dtype_to_np_dtype
        return tuple(Value(self, each.name, kind(each.type.tensor_type.elem_type)) for each in graph.output)

    def model(self, name: str) -> ModelProto:
        """The whole, as a graph of that name."""
        helper = onnx().helper
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._weights)
        made: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR)
        made.producer_name = "topwork"
        return made

    def _value(self, operand: Any, dtype: np.dtype[Any]) -> Value:
        if isinstance(operand, Value):
            return operand
        return self.constant(operand if isinstance(operand, np.ndarray | np.generic) else np.asarray(operand, dtype))

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"
