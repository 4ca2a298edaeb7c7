--- ghostline in Neovim, the way with everything: `require('ghostline').setup()`.
---
--- It asks with every key and draws the ghost text itself; the help file (`:help ghostline`) describes it. Who only
--- wants what Neovim 0.12 brings needs none of this: `vim.lsp.enable('ghostline')`.

local M = {}

--- Makes the client announce inline completion: Neovim 0.11 does not by itself, and would get the server's text in its
--- completion menu.
local function announce()
  local inline = { textDocument = { inlineCompletion = { dynamicRegistration = false } } }
  vim.lsp.config('ghostline', { capabilities = inline })
end

--- Says something once Neovim has started: beside the messages of the start it would stop the user with a prompt.
---@param message string
---@param level integer
local say = vim.schedule_wrap(function(message, level)
  vim.notify('ghostline: ' .. message, level)
end)

--- Enables the language server and shows its ghost text. What is wrong with the options is said; the rest holds.
---@param options ghostline.Options?
function M.setup(options)
  local good, warnings = require('ghostline.options').checked(options)
  for _, warning in ipairs(warnings) do
    say(warning, vim.log.levels.WARN)
  end
  if vim.fn.has('nvim-0.11') == 0 then
    say('Neovim 0.11 or newer is needed', vim.log.levels.ERROR)
    return
  end
  if not vim.g.loaded_ghostline then
    -- Put on the runtime path after Neovim had started.
    vim.cmd.runtime('plugin/ghostline.lua')
  end
  require('ghostline.keys').chosen = good.keys or {}
  require('ghostline.frame').hide_in_menu = good.hide_in_menu == true
  announce()
  vim.lsp.config('ghostline', { cmd = good.cmd, filetypes = good.filetypes, init_options = good.settings })
  if good.enabled == false then
    require('ghostline.switch').set(false)
  end
  require('ghostline.mode').use_frame()
  local cmd = require('ghostline.server').command()
  if cmd and vim.fn.executable(cmd[1]) == 0 then
    say(('no program `%s` on PATH; see :checkhealth ghostline'):format(cmd[1]), vim.log.levels.ERROR)
    return
  end
  vim.lsp.enable('ghostline')
end

--- Accepts the whole ghost text.
---@return boolean is_done false when there is none
function M.accept()
  return require('ghostline.frame').accept()
end

--- Accepts the next word of it.
---@return boolean is_done false when there is none
function M.accept_word()
  return require('ghostline.frame').accept_word()
end

--- Accepts the next line of it.
---@return boolean is_done false when there is none
function M.accept_line()
  return require('ghostline.frame').accept_line()
end

--- Goes to the next suggestion.
---@return boolean is_done false when there is no ghost text
function M.next()
  return require('ghostline.frame').cycle(1)
end

--- Goes to the previous suggestion.
---@return boolean is_done false when there is no ghost text
function M.previous()
  return require('ghostline.frame').cycle(-1)
end

--- Puts the ghost text away.
---@return boolean is_done false when there is none
function M.dismiss()
  return require('ghostline.frame').dismiss()
end

--- Asks for ghost text by hand.
---@return boolean is_done false when nothing can be asked here
function M.trigger()
  return require('ghostline.frame').trigger()
end

--- The ghost text on the screen, nil when there is none.
---@return string?
function M.visible()
  return require('ghostline.frame').visible()
end

--- Switches on: everywhere, or for the current `buffer` or its `language`.
---@param scope ghostline.Scope?
function M.enable(scope)
  require('ghostline.switch').set(true, scope)
end

--- Switches off: everywhere, or for the current `buffer` or its `language`.
---@param scope ghostline.Scope?
function M.disable(scope)
  require('ghostline.switch').set(false, scope)
end

--- Switches the other way.
---@param scope ghostline.Scope?
function M.toggle(scope)
  local switch = require('ghostline.switch')
  switch.set(not switch.is_set(scope), scope)
end

--- How ghostline stands in a buffer, the current one by default.
---@param buf integer?
---@return ghostline.Status
function M.status(buf)
  return require('ghostline.status').of(buf)
end

--- The text for a statusline: `%{v:lua.require'ghostline'.statusline()}`.
---@return string
function M.statusline()
  return require('ghostline.statusline')()
end

return M
