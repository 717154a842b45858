"""Jinja for bash: every value that a template prints is quoted, whatever the template says."""

import shlex
from typing import Any

from jinja2 import (
    BaseLoader,
    StrictUndefined,
    nodes,
)
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from bridge.script.words import bind, charliecloud_bind, directive, volumes


class _Generator(CodeGenerator):
    """Jinja's, without the two ways by which it escapes for HTML and calls the whole safe."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        """Constants are quoted when they are printed, like all else."""
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        """`~` makes plain text."""
        self.write("str_join((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class BashTemplates(SandboxedEnvironment):
    """Templates whose values reach bash as one word each.

    Only Markup is printed as it is: what blocks and macros of templates have made, and what the
    site's administrator wrote in the site's file. The filters return plain text, which is quoted
    like any other.
    """

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "%", "*"})

    def __init__(self, loader: BaseLoader) -> None:
        super().__init__(
            loader=loader,
            undefined=StrictUndefined,
            autoescape=True,
            finalize=quoted,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self.filters = {
            "directive": directive,
            "bind": bind,
            "charliecloud_bind": charliecloud_bind,
            "volumes": volumes,
        }
        # Without Jinja's own filters there is no `safe`, and none that escapes for HTML.

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Like `~`: text that was safe is no longer so when more is added."""
        return super().call_binop(context, operator, _plain(left), _plain(right))


def quoted(value: object) -> Markup:
    """One word of bash that stands for exactly this text. Raises TypeError for what is no text."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, StrictUndefined):
        str(value)  # raises, with the name of what is not defined
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"{value!r} is neither text nor a number")
    # Safe by construction: this is the one place where text is quoted.
    return Markup(shlex.quote(str(value)))  # noqa: S704


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Markup) else value
