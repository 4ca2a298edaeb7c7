-- Shows ghost text in every buffer that the language server `ghostline` attaches to, and defines `:Ghostline`. The
-- server itself is enabled by the user: `vim.lsp.enable('ghostline')`, or `require('ghostline').setup()`.

if vim.g.loaded_ghostline then
  return
end
vim.g.loaded_ghostline = true

local group = vim.api.nvim_create_augroup('ghostline', {})

vim.api.nvim_create_autocmd('LspAttach', {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'ghostline' then
      require('ghostline.mode').attach(client, event.buf)
    end
  end,
})

vim.api.nvim_create_autocmd('VimLeavePre', {
  group = group,
  callback = function()
    local server = package.loaded['ghostline.server']
    if server then
      server.leave()
    end
  end,
})

vim.api.nvim_create_user_command('Ghostline', function(command)
  require('ghostline.command').run(command.fargs)
end, {
  nargs = '*',
  desc = 'ghostline: status, on and off, log, restart',
  complete = function(lead, line)
    return require('ghostline.command').complete(lead, line)
  end,
})
