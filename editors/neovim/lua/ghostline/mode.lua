--- Which of the two ways shows ghost text: Neovim's own (`native.lua`) or the frame (`frame.lua`). Never both.

local api = vim.api
local M = {}

---@type 'native'|'frame'
M.current = 'native'

--- The keys that the current way has.
---@return ghostline.KeyName[]
function M.names()
  if M.current == 'frame' then
    return vim.tbl_keys(require('ghostline.keys').DEFAULTS)
  end
  return vim.lsp.inline_completion and { 'accept', 'next', 'previous' } or {}
end

--- Called for each buffer that the server attaches to.
---@param client vim.lsp.Client
---@param buf integer
function M.attach(client, buf)
  require('ghostline.switch').attach(client)
  require('ghostline.status').attach(client)
  require('ghostline.follow').attach()
  if M.current == 'frame' then
    require('ghostline.native').detach(client)
    require('ghostline.frame').attach(buf)
  else
    require('ghostline.native').attach(client, buf)
  end
end

--- Lets the frame show ghost text from now on, in buffers that are attached already, too.
function M.use_frame()
  M.current = 'frame'
  require('ghostline.frame').start()
  for _, client in ipairs(require('ghostline.server').clients()) do
    for buf in pairs(client.attached_buffers) do
      M.attach(client, buf)
    end
  end
end

--- Lets statuslines know that something about ghostline has changed.
function M.announce()
  api.nvim_exec_autocmds('User', { pattern = 'GhostlineStatus', modeline = false })
  vim.cmd.redrawstatus({ bang = true })
end

--- After the switches or the state of the server have changed.
function M.refresh()
  if M.current == 'frame' then
    require('ghostline.frame').refresh()
  elseif vim.lsp.inline_completion then
    for _, client in ipairs(require('ghostline.server').clients()) do
      for buf in pairs(client.attached_buffers) do
        local on = require('ghostline.switch').is_on(buf)
        if on ~= vim.lsp.inline_completion.is_enabled({ bufnr = buf }) then
          vim.lsp.inline_completion.enable(on, { bufnr = buf })
        end
      end
    end
  end
  M.announce()
end

return M
