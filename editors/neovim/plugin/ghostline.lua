-- Switches ghost text on in every buffer the language server `ghostline` attaches to. The server itself is
-- enabled by the user, with `vim.lsp.enable('ghostline')`.

if vim.g.loaded_ghostline then
  return
end
vim.g.loaded_ghostline = true

vim.api.nvim_create_autocmd('LspAttach', {
  group = vim.api.nvim_create_augroup('ghostline', {}),
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'ghostline' then
      require('ghostline.native').attach(client, event.buf)
    end
  end,
})
