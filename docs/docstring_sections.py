"""What the API reference does with sections of a docstring that its parser does not know."""

import re

import griffe

_CALL = re.compile(r"^( *)Call arguments:\n((?:\1 +.*\n|\n)+)", flags=re.MULTILINE)


class DocstringSections(griffe.Extension):
    """Shows `Example:` as code, and the arguments of a layer's call as a list."""

    def on_instance(self, *, obj: griffe.Object, **kwargs) -> None:
        """Rewrites an object's docstring before it is parsed."""
        if obj.docstring is None:
            return
        text = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
        obj.docstring.value = _CALL.sub(_as_list, text + "\n").rstrip()


def _as_list(section: re.Match[str]) -> str:
    """Returns the section's text with a list item for every argument."""
    indent, text = section.groups()
    return f"{indent}Call arguments:\n" + re.sub(
        rf"^({indent} {{4}})(\w+): ", r"\1* **`\2`** - ", text, flags=re.MULTILINE
    )
