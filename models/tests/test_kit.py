import ast
import unittest
from pathlib import Path

RECIPE = Path(__file__).parent.parent / "recipe"


def needed(module: str) -> set[str]:
    """The modules of the recipe that have to be there to import one of them."""
    names = set()
    for node in ast.parse((RECIPE / f"{module}.py").read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names |= {node.module} if node.module else {alias.name for alias in node.names}
    return names


class Kit(unittest.TestCase):
    def test_everything_that_training_imports_is_packed(self):
        tree = ast.parse((RECIPE / "kit.py").read_text())
        packed = next(
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and node.targets[0].id == "MODULES"
        )
        missing = {name for module in packed for name in needed(module)} - set(packed)
        self.assertEqual(missing, set())


if __name__ == "__main__":
    unittest.main()
