---@brief
---
--- ghostline: inline completions from a model on this machine. Picked up by `vim.lsp.enable('ghostline')`
--- (Neovim 0.11 and later); what is set with `vim.lsp.config('ghostline', { … })` goes on top.
---
--- No `filetypes`: ghostline completes in every file. No `settings`: its options are `init_options`, as in
--- `docs/configuration.md`; options that change while it runs are sent with `settings = { ghostline = { … } }`.

---@type vim.lsp.Config
return {
  cmd = { 'ghostline', 'lsp' },
  root_markers = { '.git' },
}
