import json
import tempfile
import unittest
from collections import Counter
from pathlib import Path

from recipe import corpus, fetch, packages
from recipe.packages import Package
from recipe.store import Store, build
from recipe.tokens import PYTHON, RUST


def code(name: str) -> str:
    return "".join(f"def {name}_{i}(width, height):\n    return {name} * width + {i}\n" for i in range(20))


class Corpus(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def package(self, name: str, version: str = "1.0", licence: str = "MIT", **files: str) -> Package:
        root = self.root / f"{name}-{version}"
        root.mkdir()
        for file, text in files.items():
            (root / f"{file}.py").write_text(text)
        return Package("python", name, version, licence, root, tuple(f"{file}.py" for file in files))

    def write(self, *found: Package, held_out: tuple[str, ...] = ()) -> tuple[list[dict], Counter]:
        dropped: Counter = Counter()
        allowed = [package for package in found if corpus.is_allowed(package, dropped)]
        sources = corpus.ordered(allowed, {"python": set(held_out), "rust": set()})
        self.table = corpus.write(corpus.kept(sources, dropped), self.root)
        records = [json.loads(line) for line in (self.root / "corpus.jsonl").read_text().splitlines()]
        return records, dropped

    def test_copies_of_held_out_files_are_dropped_from_training(self):
        mine, theirs = self.package("aaa", copy=code("x"), own=code("y")), self.package("zzz", x=code("x"))
        records, dropped = self.write(mine, theirs, held_out=("zzz",))
        self.assertEqual([(r["package"], r["path"], r["split"]) for r in records],
                         [("zzz", "x.py", "held-out"), ("aaa", "own.py", "train")])  # fmt: skip
        self.assertEqual(dropped, {"python file: duplicate": 1})
        self.assertEqual((self.root / "heldout/python/zzz/x.py").read_text(), code("x"))

    def test_of_two_releases_the_newer_stays(self):
        records, _ = self.write(self.package("a", "1.9", x=code("x")), self.package("a", "1.10", x=code("x")))
        self.assertEqual([record["version"] for record in records], ["1.10"])

    def test_a_licence_that_is_not_permissive_keeps_a_package_out(self):
        records, dropped = self.write(self.package("a", licence="GPL-3.0-only", x=code("x")))
        self.assertEqual((records, dropped), ([], {"python package: licence": 1}))

    def test_the_table_names_licence_files_and_bytes(self):
        self.write(self.package("a", x=code("x")))
        row = f"python\ta\t1.0\tMIT\ttrain\t1\t{len(code('x'))}\n"
        self.assertEqual(corpus.table_text(self.table).split("\n", 1)[1], row)

    def test_a_store_gives_back_each_text(self):
        commented = "# é\n" + code("y")
        self.write(self.package("a", x=code("x"), y=commented), self.package("b", z=code("z")), held_out=("b",))
        build(self.root / "corpus.jsonl", self.root / "store")
        store = Store(self.root / "store")
        self.assertEqual(sorted(store.text(idx) for idx in store.draw(PYTHON).ids), sorted([code("x"), commented]))
        self.assertEqual([store.text(idx) for idx in store.draw(PYTHON, is_held_out=True).ids], [code("z")])
        self.assertEqual(store.draw(RUST).ids, [])

    def test_a_small_store_keeps_what_is_held_out(self):
        self.write(self.package("a", x=code("x")), self.package("b", z=code("z")), held_out=("b",))
        build(self.root / "corpus.jsonl", self.root / "store", megabytes=0.0001)
        self.assertEqual([file.package for file in Store(self.root / "store").files], ["b"])


class Lists(unittest.TestCase):
    def test_the_lists_name_held_out_packages_of_both_languages(self):
        for language in packages.SUFFIXES:
            names = packages.read_list(fetch.LISTS / f"{language}.txt")
            self.assertGreater(len(names), 200)
            self.assertGreater(sum(names.values()), 5)

    def test_an_unknown_mark_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "list.txt")
            path.write_text("# comment\nserde\nanyhow heldout\n")
            with self.assertRaisesRegex(SystemExit, "list.txt:3: `heldout` is unknown"):
                packages.read_list(path)


if __name__ == "__main__":
    unittest.main()
