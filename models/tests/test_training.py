"""What needs torch; left out where it is missing."""

import tempfile
import unittest
from dataclasses import replace
from functools import partial
from pathlib import Path

try:
    import gguf
    import torch
except ImportError:
    torch = None
else:
    from recipe import export, growing, together, train
    from recipe.model import Model, Shape, attend
    from recipe.optimizer import orthogonal, rate_at
    from recipe.tokenizer import COMMITTED

    SHAPE = Shape(layers=2, dim=64, heads=2, kv_heads=1, ff=96, context=32)


def batch(n_tokens: int = 32):
    ids = torch.randint(8, 8192, (2, n_tokens + 1), generator=torch.Generator().manual_seed(1))
    return ids[:, :-1], ids[:, 1:], torch.rand(2, n_tokens, generator=torch.Generator().manual_seed(2))


@unittest.skipIf(torch is None, "torch or gguf is not installed")
class Training(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)

    def test_the_blocks_attend_like_the_whole(self):
        q, k, v = torch.randn(3, 2, 2, 32, 16)
        expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        self.assertTrue(torch.allclose(attend(q, k, v), expected, atol=1e-5))

    def test_the_chunked_loss_and_its_gradients_are_those_of_cross_entropy(self):
        model = Model(SHAPE, is_bf16=False)
        inputs, targets, weights = batch()
        loss = model(inputs, targets, weights)
        loss.backward()
        found = model.token_embd.weight.grad.clone()
        with torch.no_grad():
            self.assertAlmostEqual(loss.item(), model(inputs, targets, weights).item(), places=2)
            place, step = (int(targets[0, 3]), 5), 1e-2
            values = []
            for sign in (1, -1):
                model.token_embd.weight[place] += sign * step
                values.append(model(inputs, targets, weights).item())
                model.token_embd.weight[place] -= sign * step
        self.assertAlmostEqual((values[0] - values[1]) / (2 * step), found[place].item(), delta=0.05)

    def test_nothing_is_known_of_later_tokens(self):
        model = Model(SHAPE, is_bf16=False)
        for block in model.blk:
            torch.nn.init.normal_(block.attn_output.weight)
        inputs, targets, weights = batch()
        weights[:, 10:] = 0
        changed = inputs.clone()
        changed[:, 10:] = 9
        with torch.no_grad():
            self.assertAlmostEqual(model(inputs, targets, weights).item(), model(changed, targets, weights).item(), 3)

    def test_an_orthogonal_update_has_singular_values_near_one(self):
        for shape in ((48, 32), (32, 48)):
            values = torch.linalg.svdvals(orthogonal(torch.randn(1, *shape)).float())
            self.assertTrue(bool(((values > 0.5) & (values < 1.5)).all()), values)

    def test_the_rate_rises_stays_and_ends_at_nothing(self):
        self.assertEqual([round(rate_at(p, 0.1, 0.5), 2) for p in (0, 0.05, 0.3, 0.5, 0.75, 1, 1.2)],
                         [0, 0.5, 1, 1, 0.5, 0, 0])  # fmt: skip

    def test_what_is_exported_is_read_back_within_its_rounding(self):
        model = Model(SHAPE, is_bf16=False)
        saved = {"shape": SHAPE.to_dict(), "model": model.state_dict()}
        summary = {"tokens": 5_000_000_000, "steps": 7, "seconds": 8.0, "bits_per_byte": {"rust plain": 1.0}}
        with tempfile.TemporaryDirectory() as folder:
            for kind, most in (("f16", 1e-3), ("q8_0", 0.02), ("q5_0", 0.1), ("q4_0", 0.2)):
                path = Path(folder, f"{kind}.gguf")
                export.write(saved, COMMITTED, path, "test", kind, summary)
                again = export.read(path, SHAPE).state_dict()
                for name, values in model.state_dict().items():
                    worst = (again[name] - values).abs().max() / values.abs().max().clamp(min=1e-9)
                    self.assertLess(worst, most, f"{kind} {name}")
            fields = gguf.GGUFReader(path).fields
            self.assertEqual(fields["ghostline.training.tokens"].contents(), 5_000_000_000)
            self.assertEqual(fields["tokenizer.ggml.fim_suf_token_id"].contents(), 2)
            self.assertEqual(fields["general.license"].contents(), "MIT")


    def test_weights_of_a_file_are_taken_and_layers_that_it_lacks_change_nothing(self):
        model = Model(SHAPE, is_bf16=False)
        for block in model.blk:
            torch.nn.init.normal_(block.ffn_down.weight, std=0.1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "less.gguf")
            saved = {"shape": SHAPE.to_dict(), "model": model.state_dict()}
            export.write(saved, COMMITTED, path, "test", "f16", {"tokens": 40, "tokens_before": 2, "steps": 1, "seconds": 1.0})
            deeper = Model(replace(SHAPE, layers=3), is_bf16=False)
            self.assertEqual(train.start_from(path, deeper), 42)
            with torch.no_grad():
                self.assertAlmostEqual(deeper(*batch()).item(), model(*batch()).item(), delta=0.2)
            with self.assertRaises(SystemExit):
                train.start_from(path, Model(replace(SHAPE, layers=1), is_bf16=False))

    def test_a_larger_shape_begins_as_what_the_smaller_one_is_and_learns_in_what_is_new(self):
        model = Model(SHAPE, is_bf16=False)
        for block in model.blk:
            for layer in (block.attn_output, block.ffn_down):
                torch.nn.init.normal_(layer.weight, std=0.1)
        # Values beside which the norms' epsilon, which no weight can scale, is nothing.
        torch.nn.init.normal_(model.token_embd.weight)
        larger = Model(replace(SHAPE, layers=3, dim=96, heads=3, ff=128, context=48), is_bf16=False)
        growing.take_over(larger, model.state_dict())
        inputs, targets, weights = batch()
        with torch.no_grad():
            self.assertTrue(torch.allclose(larger.logits(inputs), model.logits(inputs), atol=1e-3))
        larger(inputs, targets, weights).backward()
        dim = SHAPE.dim
        first = larger.blk[0]
        new = (larger.token_embd.weight.grad[:, dim:], first.attn_output.weight.grad[dim:], first.ffn_down.weight.grad[dim:])
        for grad in new:
            self.assertGreater(grad.abs().max().item(), 0)

    def test_weights_that_do_not_fit_into_a_shape_are_refused(self):
        weights = Model(SHAPE, is_bf16=False).state_dict()
        for changes in ({"dim": 48, "heads": 2}, {"heads": 1}, {"heads": 4, "kv_heads": 2, "dim": 128}):
            with self.assertRaises(ValueError, msg=str(changes)):
                growing.take_over(Model(replace(SHAPE, **changes), is_bf16=False), weights)

    def test_processes_agree_on_the_sum_of_their_gradients(self):
        with tempfile.TemporaryDirectory() as folder:
            together.run(2, Path(folder, "meeting-place"), partial(add_up, Path(folder)))
            self.assertEqual(Path(folder, "0").read_text(), "[[3.0, 3.0], [3.0, 3.0]] [1.0, 20.0]")
            self.assertEqual(Path(folder, "0").read_text(), Path(folder, "1").read_text())


def add_up(folder: Path, group: "together.Group") -> None:
    """What each process of the test above does."""
    model = torch.nn.Linear(2, 2, bias=False)
    model.weight.grad = torch.full((2, 2), 1.0 + group.rank)
    tallies = group.add_up(model, torch.tensor([float(group.is_first), 10.0]))
    Path(folder, str(group.rank)).write_text(f"{model.weight.grad.tolist()} {tallies.tolist()}")


if __name__ == "__main__":
    unittest.main()
