---@brief
---
--- ghostline: inline completions from a model on this machine. Picked up by `vim.lsp.enable('ghostline')` and by
--- `require('ghostline').setup()` (Neovim 0.11 and later); what is set with `vim.lsp.config('ghostline', { … })`
--- goes on top.
---
--- No `filetypes`: ghostline completes in every file. No `settings`: its options are `init_options`, as in
--- `docs/configuration.md`; options that change while it runs are sent with `settings = { ghostline = { … } }`.

--- Calls a function of the plugin. This file also works alone, copied into a configuration: then it does nothing.
local function plugin(module, name, ...)
  local is_there, found = pcall(require, module)
  if is_there then
    return found[name](...)
  end
end

---@type vim.lsp.Config
return {
  cmd = { 'ghostline', 'lsp' },
  root_markers = { '.git' },
  -- Whole, because they may stand in place of Neovim's own instead of on top of them.
  capabilities = vim.tbl_deep_extend('force', vim.lsp.protocol.make_client_capabilities(), {
    experimental = { ghostline = { status = true } },
  }),
  handlers = {
    ['ghostline/status'] = function(_, report, ctx)
      plugin('ghostline.status', 'receive', report, ctx.client_id)
    end,
  },
  --- One server for all projects: each would load the model again.
  reuse_client = function(client, config)
    return client.name == config.name and not client:is_stopped()
  end,
  on_exit = function(code, signal, id)
    plugin('ghostline.server', 'exited', code, signal, id)
  end,
}
