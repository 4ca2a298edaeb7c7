"""The recipe of the built-in model: corpus, tokenizer, training, export. `../README.md` says how to run it."""
